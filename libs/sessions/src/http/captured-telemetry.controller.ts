import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsInt, IsNumber, IsOptional, IsString, MaxLength, Min } from 'class-validator';
import { DomainError } from '#kernel';
import { Public } from '#platform';

const E_MAIL = /[^\s@]+@[^\s@]+\.[^\s@]+/;
const ADDRESS = /\b\d{1,3}(?:\.\d{1,3}){3}\b/;

/** sessionfs-1.md §14. */
export class CapturedTelemetryBody {
  @ApiProperty({ maxLength: 100 }) @MaxLength(100) @IsString() install_id!: string;
  @ApiProperty({ maxLength: 100 }) @MaxLength(100) @IsString() version!: string;
  @ApiProperty({ maxLength: 100 }) @MaxLength(100) @IsString() os!: string;
  @ApiPropertyOptional({ type: [String], maxItems: 50 })
  @IsOptional()
  @MaxLength(100, { each: true })
  @IsString({ each: true })
  @ArrayMaxSize(50)
  @IsArray()
  tools_active?: string[];
  @ApiPropertyOptional({ type: [String], maxItems: 50 })
  @IsOptional()
  @MaxLength(100, { each: true })
  @IsString({ each: true })
  @ArrayMaxSize(50)
  @IsArray()
  features_used?: string[];
  @ApiPropertyOptional() @IsOptional() @Min(0) @IsInt() sessions_captured_24h?: number;
  @ApiPropertyOptional() @IsOptional() @Min(0) @IsNumber() avg_session_size_bytes?: number;
  @ApiPropertyOptional() @IsOptional() @Min(0) @IsInt() errors_24h?: number;
  @ApiPropertyOptional({ maxLength: 100 }) @IsOptional() @MaxLength(100) @IsString() tier?: string;

  /** Errors: `bad_request` for what looks like a person. */
  static assertAnonymous(body: CapturedTelemetryBody): void {
    const texts = [body.install_id, body.version, body.os, body.tier ?? ''];
    const all = [...texts, ...(body.tools_active ?? []), ...(body.features_used ?? [])];
    if (all.some((text) => E_MAIL.test(text) || ADDRESS.test(text))) {
      throw new DomainError('bad_request', 'Telemetry rejected: contains potential PII');
    }
  }
}

export class CapturedTelemetryTaken {
  @ApiProperty({ enum: ['ok'] }) status!: string;
}

@ApiTags('Captured sessions')
@Controller('api/v1/telemetry')
export class CapturedTelemetryController {
  /** For clients that report how they are used: it is checked and thrown away. This server wants to know nothing. */
  @Post()
  @Public()
  @HttpCode(200)
  @ApiOperation({ operationId: 'sendTelemetry', summary: 'Take telemetry, and keep nothing of it' })
  @ApiOkResponse({ type: CapturedTelemetryTaken })
  take(@Body() body: CapturedTelemetryBody): CapturedTelemetryTaken {
    CapturedTelemetryBody.assertAnonymous(body);
    return { status: 'ok' };
  }
}
