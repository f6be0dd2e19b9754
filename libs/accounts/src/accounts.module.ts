import { Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PeriodicTasks } from '#platform';
import { AccountEntity, UserEntity } from './account.entity.js';
import { AccountHoldings } from './account-holdings.js';
import { AccountSlugs } from './account-slugs.service.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { EffectiveTier } from './entitlements/effective-tier.js';
import { EntitlementsService } from './entitlements/entitlements.service.js';
import { EntitlementsRepository } from './entitlements/entitlements.repository.js';
import { StorageQuota } from './entitlements/storage-quota.js';
import { FeatureInterceptor } from './features.js';
import { ApiAdminOrgsController } from './http/api-admin-orgs.controller.js';
import { ApiOrganisationsController } from './http/api-organisations.controller.js';
import { HomeOrgs } from './organisations/home-org.js';
import { AdminOrgChangesService } from './organisations/admin-org-changes.service.js';
import { AdminOrgsRepository } from './organisations/admin-orgs.repository.js';
import { AdminOrgsService } from './organisations/admin-orgs.service.js';
import { Departures } from './organisations/departures.js';
import { ApiInvitesController } from './http/api-invites.controller.js';
import { Admissions } from './invites/admissions.js';
import { InviteAnswersService } from './invites/invite-answers.service.js';
import { InviteRecords } from './invites/invite-records.js';
import { InviteEntity } from './invites/invite.entity.js';
import { InviteMails } from './invites/invite-mails.js';
import { InvitesRepository } from './invites/invites.repository.js';
import { InvitesService } from './invites/invites.service.js';
import { Seats } from './invites/seats.js';
import { Memberships } from './organisations/memberships.js';
import { MembershipEntity, OrganisationEntity } from './organisations/organisation.entity.js';
import { OrganisationsRepository } from './organisations/organisations.repository.js';
import { OrganisationsService } from './organisations/organisations.service.js';
import { OrgJournal } from './organisations/org-journal.js';
import { ApiMembersController } from './http/api-members.controller.js';
import { ApiOrgSettingsController } from './http/api-org-settings.controller.js';
import { ApiOwnerTransfersController } from './http/api-owner-transfers.controller.js';
import { ApiProfileController } from './http/api-profile.controller.js';
import { ApiTeamsController } from './http/api-teams.controller.js';
import { MembersService } from './organisations/members.service.js';
import { OrgCreationService } from './organisations/org-creation.service.js';
import { OrgRemovalService } from './organisations/org-removal.service.js';
import { OrgSettingsService } from './organisations/org-settings.service.js';
import { OwnerTransfersRepository } from './organisations/owner-transfers.repository.js';
import { OwnerTransfersService } from './organisations/owner-transfers.service.js';
import { ProfileService } from './profile.service.js';
import { TeamMemberships } from './teams/team-memberships.js';
import { TeamsRepository } from './teams/teams.repository.js';
import { TeamsService } from './teams/teams.service.js';
import { LastClients } from './last-clients.js';
import { PlanGate } from './plan-gate.js';
import { UsersService } from './users.service.js';
import { VerifiedEmail } from './verified-email.js';

@Module({
  imports: [TypeOrmModule.forFeature([AccountEntity, UserEntity, OrganisationEntity, MembershipEntity, InviteEntity])],
  controllers: [
    ApiAdminOrgsController,
    ApiOrganisationsController,
    ApiInvitesController,
    ApiMembersController,
    ApiOrgSettingsController,
    ApiOwnerTransfersController,
    ApiProfileController,
    ApiTeamsController,
  ],
  providers: [
    AccountHoldings,
    AccountSlugs,
    AccountsRepository,
    AccountsService,
    AdminOrgChangesService,
    AdminOrgsRepository,
    AdminOrgsService,
    Departures,
    Admissions,
    EffectiveTier,
    EntitlementsService,
    EntitlementsRepository,
    HomeOrgs,
    InviteAnswersService,
    InviteMails,
    InviteRecords,
    InvitesRepository,
    InvitesService,
    LastClients,
    Memberships,
    OrganisationsRepository,
    OrganisationsService,
    OrgJournal,
    MembersService,
    OrgCreationService,
    OrgRemovalService,
    OrgSettingsService,
    OwnerTransfersRepository,
    OwnerTransfersService,
    ProfileService,
    TeamMemberships,
    TeamsRepository,
    TeamsService,
    PlanGate,
    Seats,
    StorageQuota,
    UsersService,
    VerifiedEmail,
    { provide: APP_INTERCEPTOR, useClass: FeatureInterceptor },
  ],
  exports: [
    AccountHoldings,
    AccountsService,
    Departures,
    Admissions,
    EffectiveTier,
    EntitlementsService,
    HomeOrgs,
    InvitesService,
    LastClients,
    Memberships,
    OrganisationsService,
    PlanGate,
    Seats,
    StorageQuota,
    TeamMemberships,
    UsersService,
    VerifiedEmail,
  ],
})
export class AccountsModule {
  /** Both write down what every reader has counted as over all along. */
  constructor(tasks: PeriodicTasks, entitlements: EntitlementsService, transfers: OwnerTransfersService) {
    tasks.register({ name: 'entitlements.expire', everyMs: 60_000, run: () => entitlements.expireDue() });
    tasks.register({ name: 'owner-transfers.expire', everyMs: 600_000, run: () => transfers.expireDue() });
  }
}
