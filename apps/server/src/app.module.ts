import { type DynamicModule, Module } from '@nestjs/common';
import { AccountsModule, BillingModule } from '#accounts';
import { AuthModule } from '#auth';
import { type AppConfig, PlatformModule } from '#platform';
import { ReposModule } from '#repos';
import { SandboxesModule } from '#sandboxes';
import { SessionsModule } from '#sessions';
import { DocsController, OpenApiDocument } from './openapi/docs.controller.js';

/** The only place that knows every lib. */
@Module({})
export class AppModule {
  static forRoot(config: AppConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.forRoot(config),
        AccountsModule,
        BillingModule,
        AuthModule,
        ReposModule,
        SandboxesModule,
        SessionsModule,
      ],
      controllers: [DocsController],
      providers: [OpenApiDocument],
    };
  }
}
