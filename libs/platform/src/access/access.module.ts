import { Global, Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { AccessGuard } from './access.guard.js';
import { RouteTable } from './route-table.js';

/** Installs the global AccessGuard and the boot check. The auth lib provides the Authenticator. */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [RouteTable, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [RouteTable],
})
export class AccessModule {}
