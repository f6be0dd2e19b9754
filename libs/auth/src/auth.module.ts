import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountsModule } from '#accounts';
import { Authenticator, SessionWrites } from '#platform';
import { AdminUsersRepository } from './admin/admin-users.repository.js';
import { AdminUsersService } from './admin/admin-users.service.js';
import { ApiAdminStatsController } from './admin/api-admin-stats.controller.js';
import { ApiAdminUsersController } from './admin/api-admin-users.controller.js';
import { Deactivation } from './admin/deactivation.js';
import { FirstAdmin } from './first-admin.js';
import { ApiAuthController } from './http/api-auth.controller.js';
import { ApiKeysController } from './http/api-keys.controller.js';
import { ApiSandboxKeysController } from './http/api-sandbox-keys.controller.js';
import { ApiServiceKeysController } from './http/api-service-keys.controller.js';
import { ApiVerificationController } from './http/api-verification.controller.js';
import { V1SessionController } from './http/v1-session.controller.js';
import { KeyAuthenticator } from './key-authenticator.js';
import { ActedForAccounts } from './keys/acted-for.js';
import { KeyEntity } from './keys/key.entity.js';
import { KeyLedger } from './keys/key-ledger.js';
import { KeyPassport } from './keys/key-passport.js';
import { KeysRepository } from './keys/keys.repository.js';
import { KeysService } from './keys/keys.service.js';
import { KeyUses } from './keys/key-uses.js';
import { LateKeyUses } from './keys/late-key-uses.js';
import { Pepper } from './keys/pepper.js';
import { Principals } from './keys/principals.js';
import { LiveSessions } from './pinned-sessions/live-sessions.js';
import { PinnedSessionsRepository } from './pinned-sessions/pinned-sessions.repository.js';
import { PinnedSessionsService } from './pinned-sessions/pinned-sessions.service.js';
import { SessionActivity } from './pinned-sessions/session-activity.js';
import { SessionLifecycle } from './pinned-sessions/session-lifecycle.js';
import { SessionUpkeep } from './pinned-sessions/session-upkeep.js';
import { TrackedWrites } from './pinned-sessions/tracked-writes.js';
import { ProfileService } from './profile.service.js';
import { ServiceKeysService } from './service-keys/service-keys.service.js';
import { SSO_CONTROLLERS, SSO_PROVIDERS } from './sso/sso-parts.js';
import { SignupService } from './signup.service.js';
import { VerificationRepository } from './verification/verification.repository.js';
import { VerificationService } from './verification/verification.service.js';

/** Keys and pinned sessions, and who they stand for. Global, because the platform's guard needs the Authenticator everywhere. */
@Global()
@Module({
  imports: [AccountsModule, TypeOrmModule.forFeature([KeyEntity])],
  controllers: [
    ApiAdminStatsController,
    ApiAdminUsersController,
    ApiAuthController,
    ApiKeysController,
    ApiSandboxKeysController,
    ApiServiceKeysController,
    ApiVerificationController,
    V1SessionController,
    ...SSO_CONTROLLERS,
  ],
  providers: [
    ActedForAccounts,
    AdminUsersRepository,
    AdminUsersService,
    Deactivation,
    FirstAdmin,
    KeyLedger,
    KeyPassport,
    KeysRepository,
    KeysService,
    KeyUses,
    LateKeyUses,
    LiveSessions,
    Pepper,
    PinnedSessionsRepository,
    PinnedSessionsService,
    Principals,
    ProfileService,
    ServiceKeysService,
    SessionActivity,
    SessionLifecycle,
    SessionUpkeep,
    SignupService,
    TrackedWrites,
    ...SSO_PROVIDERS,
    VerificationRepository,
    VerificationService,
    { provide: Authenticator, useClass: KeyAuthenticator },
    { provide: SessionWrites, useExisting: TrackedWrites },
  ],
  exports: [Authenticator, SessionWrites],
})
export class AuthModule {}
