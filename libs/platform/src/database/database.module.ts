import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../config/app-config.js';
import { Database } from './database.js';
import { QueryLog } from './query-log.js';
import { SnakeNaming } from './naming.js';

/** Connects to PostgreSQL and provides Database. Libs register their entities with TypeOrmModule.forFeature. */
@Global()
@Module({})
export class DatabaseModule {
  static forRoot(): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [AppConfig],
          useFactory: (config: AppConfig) => ({
            type: 'postgres' as const,
            url: config.DATABASE_URL,
            autoLoadEntities: true,
            namingStrategy: new SnakeNaming(),
            applicationName: 'roundhouse',
            logging: true,
            maxQueryExecutionTime: 2_000,
            logger: new QueryLog(),
            poolSize: config.DATABASE_POOL,
            extra: {
              statement_timeout: 10_000,
              idle_in_transaction_session_timeout: 10_000,
              keepAlive: true,
              // Above the server's own limit: a connection that went silent is given up, not waited for.
              query_timeout: 15_000,
            },
          }),
        }),
      ],
      providers: [Database],
      exports: [Database, TypeOrmModule],
    };
  }
}
