import { Logger } from '@nestjs/common';
import type { Logger as TypeOrmLogger } from 'typeorm';
import { currentContext } from '../http/request-context.js';

/** Counts the statements of each request (see `db_queries` in the request log) and logs slow ones without values. */
export class QueryLog implements TypeOrmLogger {
  private readonly sink = new Logger('Database');

  logQuery(): void {
    const context = currentContext();
    if (context) context.queries += 1;
  }

  logQueryError(error: string | Error, query: string): void {
    this.sink.debug({ msg: 'statement failed', sql: query, reason: typeof error === 'string' ? error : error.message });
  }

  logQuerySlow(time: number, query: string): void {
    this.sink.warn({ msg: 'slow statement', sql: query, ms: time });
  }

  /** Schema building is never used (migrations are written by hand). */
  logSchemaBuild(): void {}

  logMigration(message: string): void {
    this.sink.log(message);
  }

  /** TypeORM's own chatter carries nothing an operator needs. */
  log(): void {}
}
