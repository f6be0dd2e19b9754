import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountEntity, UserEntity } from './account.entity.js';
import { AccountsRepository } from './accounts.repository.js';
import { AccountsService } from './accounts.service.js';
import { ApiAdminUsersController } from './http/api-admin-users.controller.js';
import { Memberships } from './organisations/memberships.js';
import { MembershipEntity, OrganisationEntity } from './organisations/organisation.entity.js';
import { PlanGate } from './plan-gate.js';
import { UsersService } from './users.service.js';

@Module({
  imports: [TypeOrmModule.forFeature([AccountEntity, UserEntity, OrganisationEntity, MembershipEntity])],
  controllers: [ApiAdminUsersController],
  providers: [AccountsRepository, AccountsService, Memberships, PlanGate, UsersService],
  exports: [AccountsService, Memberships, PlanGate, UsersService],
})
export class AccountsModule {}
