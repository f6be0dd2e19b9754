import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';

const BAD_PERIOD = 'Invalid period format. Use YYYY-MM (e.g. 2026-03)';

export class V1UsageQuery {
  @ApiPropertyOptional({ description: 'A calendar month in UTC; the present one when absent', example: '2026-03' })
  @IsOptional()
  @Matches(/^(?!0000)\d{4}-(0[1-9]|1[0-2])$/, { message: BAD_PERIOD })
  period?: string;
}

export class V1Usage {
  @ApiProperty({ example: '2026-03' }) period!: string;
  @ApiProperty({ type: 'integer' }) api_calls!: number;
  @ApiProperty({ type: 'integer' }) repos_created!: number;
  @ApiProperty({ type: 'integer' }) storage_bytes!: number;
  @ApiProperty({ type: 'integer' }) git_transfer_bytes!: number;
  @ApiProperty({ type: 'integer' }) lazy_edit_tokens!: number;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Limits of agent turns, and their use',
  })
  rate_limit?: object;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Nothing is charged by credits here',
  })
  credits?: object;

  /** `storedBytes` is what is stored at present; null for another month, of which only the sums are known. */
  static from(period: string, totals: ReadonlyMap<string, number>, storedBytes: number | null): V1Usage {
    const total = (eventType: string): number => totals.get(eventType) ?? 0;
    return {
      period,
      api_calls: total('api_call'),
      repos_created: total('repo_created'),
      storage_bytes: storedBytes ?? total('storage_bytes'),
      git_transfer_bytes: total('git_transfer_bytes'),
      lazy_edit_tokens: total('lazy_edit_tokens'),
    };
  }
}
