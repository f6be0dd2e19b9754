import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { DomainError } from '#kernel';

const toNumber = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value,
);

/** A page of a list, by number or by the cursor of the page before, which wins. */
export class ApiPageQuery {
  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 1_000_000, default: 1 })
  @IsOptional()
  @toNumber
  @Max(1_000_000)
  @Min(1)
  @IsInt()
  page?: number;

  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 200, default: 50 })
  @IsOptional()
  @toNumber
  @Max(200)
  @Min(1)
  @IsInt()
  page_size?: number;

  @ApiPropertyOptional({ description: '`next_cursor` of the page before' })
  @IsOptional()
  @MaxLength(400)
  @IsString()
  cursor?: string;

  static toPage({ page, page_size, cursor }: ApiPageQuery, shapes: readonly ColumnShape[]): Page {
    const size = page_size ?? 50;
    const after = cursor === undefined || cursor === '' ? null : decodeKeyset(cursor, shapes);
    const number = page ?? 1;
    return { number, size, offset: after ? 0 : (number - 1) * size, after };
  }
}

export interface Page {
  readonly number: number;
  readonly size: number;
  /** Rows to skip; 0 with a cursor. */
  readonly offset: number;
  /** The sort columns of the last row seen, as texts. */
  readonly after: readonly string[] | null;
}

/** Whether a text can be a value of a column: what the database would fail at comes from nobody but a forger. */
export type ColumnShape = Pick<RegExp, 'test'>;

/** Sort columns as an opaque text. */
export function encodeKeyset(columns: readonly string[]): string {
  return Buffer.from(columns.join('|')).toString('base64url');
}

/** Errors: `invalid_input` unless there are as many columns as `shapes`, each of its shape. */
export function decodeKeyset(cursor: string, shapes: readonly ColumnShape[]): string[] {
  const columns = Buffer.from(cursor, 'base64url').toString('utf8').split('|');
  const isOurs = columns.length === shapes.length && shapes.every((shape, index) => shape.test(columns[index] ?? ''));
  if (!isOurs) throw new DomainError('invalid_input', 'Invalid cursor', { field: 'cursor' });
  return columns;
}

/** A moment as `Date.toISOString` writes it, that the calendar has. */
export const INSTANT_SHAPE: ColumnShape = {
  // Compared, because a day that no month has is read as one of the next.
  test: (text) => /^[1-9]/.test(text) && Number.isFinite(Date.parse(text)) && new Date(text).toISOString() === text,
};
/** A bigint that PostgreSQL takes. */
export const BIGINT_SHAPE = /^-?\d{1,18}$/;
export const UUID_SHAPE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
