import { Global, Module } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { IdempotencyGuard } from '../idempotency/idempotency.guard.js';
import { AccessGuard } from './access.guard.js';
import { Revocations } from './revocations.js';
import { RouteTable } from './route-table.js';

/**
 * Installs the global guards, in this order, and the boot check: who calls, then which Idempotency-Key the request
 * holds. The auth lib provides the Authenticator.
 */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    RouteTable,
    Revocations,
    { provide: APP_GUARD, useClass: AccessGuard },
    { provide: APP_GUARD, useClass: IdempotencyGuard },
  ],
  exports: [RouteTable, Revocations],
})
export class AccessModule {}
