import { Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountsModule } from '#accounts';
import { Authenticator } from '#platform';
import { FirstAdmin } from './first-admin.js';
import { ApiAuthController } from './http/api-auth.controller.js';
import { KeyAuthenticator } from './key-authenticator.js';
import { KeyEntity } from './keys/key.entity.js';
import { KeyPassport } from './keys/key-passport.js';
import { KeysRepository } from './keys/keys.repository.js';
import { KeysService } from './keys/keys.service.js';
import { KeyUses } from './keys/key-uses.js';
import { Pepper } from './keys/pepper.js';
import { Principals } from './keys/principals.js';
import { Revocations } from './keys/revocations.js';
import { SignupService } from './signup.service.js';

/** Keys and who they stand for. Global, because the platform's guard needs the Authenticator everywhere. */
@Global()
@Module({
  imports: [AccountsModule, TypeOrmModule.forFeature([KeyEntity])],
  controllers: [ApiAuthController],
  providers: [
    FirstAdmin,
    KeyPassport,
    KeysRepository,
    KeysService,
    KeyUses,
    Pepper,
    Principals,
    Revocations,
    SignupService,
    { provide: Authenticator, useClass: KeyAuthenticator },
  ],
  exports: [Authenticator],
})
export class AuthModule {}
