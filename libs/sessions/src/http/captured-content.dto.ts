import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import type { MessageLogReader, MessageOrder } from '../archive/message-log-reader.js';

const toInt = Transform(({ value }: { value: unknown }) =>
  typeof value === 'string' && value !== '' ? Number(value) : value,
);
const ANY_OBJECT = { type: 'object', additionalProperties: true } as const;

interface MessagePage {
  readonly page: number;
  readonly pageSize: number;
  readonly order: MessageOrder;
}

export class CapturedMessagesQuery {
  @ApiPropertyOptional({ minimum: 1, default: 1 }) @IsOptional() @toInt @Max(10_000_000) @Min(1) @IsInt() page?: number;

  @ApiPropertyOptional({ minimum: 1, maximum: 100, default: 50 })
  @IsOptional()
  @toInt
  @Max(100)
  @Min(1)
  @IsInt()
  page_size?: number;

  @ApiPropertyOptional({ enum: ['oldest', 'newest'], default: 'oldest' })
  @IsOptional()
  @IsIn(['oldest', 'newest'])
  order?: MessageOrder;

  static toPage({ page, page_size, order }: CapturedMessagesQuery): MessagePage {
    return { page: page ?? 1, pageSize: page_size ?? 50, order: order ?? 'oldest' };
  }
}

export class CapturedMessageList {
  @ApiProperty({ type: 'array', items: ANY_OBJECT, description: 'Messages as they were pushed' })
  messages!: Record<string, unknown>[];
  @ApiProperty({ description: 'Messages that are shown' }) total!: number;
  @ApiProperty() page!: number;
  @ApiProperty() page_size!: number;
  @ApiProperty() has_more!: boolean;

  /** The answer's JSON piece by piece: a message may be large, and a page has a hundred. */
  static async *stream(reader: MessageLogReader, { page, pageSize, order }: MessagePage): AsyncGenerator<Uint8Array> {
    const offset = (page - 1) * pageSize;
    const head = {
      total: reader.shownCount,
      page,
      page_size: pageSize,
      has_more: offset + pageSize < reader.shownCount,
    };
    yield Buffer.from(`${JSON.stringify(head).slice(0, -1)},"messages":[`);
    let separator = '';
    for await (const { json } of reader.page(offset, pageSize, order)) {
      if (separator !== '') yield Buffer.from(separator);
      yield json;
      separator = ',';
    }
    yield Buffer.from(']}');
  }
}

export class CapturedWorkspace {
  @ApiProperty(ANY_OBJECT) workspace!: object;
}

export class CapturedTools {
  @ApiProperty(ANY_OBJECT) tools!: object;
}
