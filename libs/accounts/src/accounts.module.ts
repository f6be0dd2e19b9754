import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountEntity, UserEntity } from './account.entity.js';
import { AccountHoldings } from './account-holdings.js';
import { AccountSlugs } from './account-slugs.service.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { EffectiveTier } from './entitlements/effective-tier.js';
import { EntitlementExpiry } from './entitlements/entitlement-expiry.js';
import { EntitlementsService } from './entitlements/entitlements.service.js';
import { EntitlementsRepository } from './entitlements/entitlements.repository.js';
import { FeatureInterceptor } from './features.js';
import { ApiOrganisationsController } from './http/api-organisations.controller.js';
import { HomeOrgs } from './organisations/home-org.js';
import { Departures } from './organisations/departures.js';
import { Memberships } from './organisations/memberships.js';
import { MembershipEntity, OrganisationEntity } from './organisations/organisation.entity.js';
import { OrganisationsRepository } from './organisations/organisations.repository.js';
import { OrganisationsService } from './organisations/organisations.service.js';
import { OrgJournal } from './organisations/org-journal.js';
import { PlanGate } from './plan-gate.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([AccountEntity, UserEntity, OrganisationEntity, MembershipEntity])],
  controllers: [ApiOrganisationsController],
  providers: [
    AccountHoldings,
    AccountSlugs,
    AccountsRepository,
    AccountsService,
    Departures,
    EffectiveTier,
    EntitlementExpiry,
    EntitlementsService,
    EntitlementsRepository,
    HomeOrgs,
    Memberships,
    OrganisationsRepository,
    OrganisationsService,
    OrgJournal,
    PlanGate,
    UsersService,
    { provide: APP_INTERCEPTOR, useClass: FeatureInterceptor },
  ],
  exports: [
    AccountHoldings,
    AccountsService,
    Departures,
    EffectiveTier,
    EntitlementsService,
    HomeOrgs,
    Memberships,
    OrganisationsService,
    PlanGate,
    UsersService,
  ],
})
export class AccountsModule {}
