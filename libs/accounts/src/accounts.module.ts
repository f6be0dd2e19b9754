import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountEntity, UserEntity } from './account.entity.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { EffectiveTier } from './entitlements/effective-tier.js';
import { EntitlementsService } from './entitlements/entitlements.service.js';
import { EntitlementsRepository } from './entitlements/entitlements.repository.js';
import { FeatureInterceptor } from './features.js';
import { ApiAdminUsersController } from './http/api-admin-users.controller.js';
import { Memberships } from './organisations/memberships.js';
import { MembershipEntity, OrganisationEntity } from './organisations/organisation.entity.js';
import { PlanGate } from './plan-gate.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([AccountEntity, UserEntity, OrganisationEntity, MembershipEntity])],
  controllers: [ApiAdminUsersController],
  providers: [
    AccountsRepository,
    AccountsService,
    EffectiveTier,
    EntitlementsService,
    EntitlementsRepository,
    Memberships,
    PlanGate,
    UsersService,
    { provide: APP_INTERCEPTOR, useClass: FeatureInterceptor },
  ],
  exports: [AccountsService, EffectiveTier, EntitlementsService, Memberships, PlanGate, UsersService],
})
export class AccountsModule {}
