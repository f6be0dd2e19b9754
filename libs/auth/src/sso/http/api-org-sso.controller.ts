import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiFailures, Caller, type Principal, RequireAdmin, SelfSettled, UserOnly } from '#platform';
import { SsoDomainsService } from '../sso-domains.service.js';
import { SsoSettingsService } from '../sso-settings.service.js';
import {
  ApiClaimDomainBody,
  ApiSsoDomain,
  ApiSsoDomains,
  ApiSsoSettings,
  ApiSsoSettingsBody,
} from './api-org-sso.dto.js';

/** How an organization's people sign in: its provider and its e-mail domains. For its admins. */
@ApiTags('Single sign-on')
@Controller('api/v1')
export class ApiOrgSsoController {
  constructor(
    private readonly settings: SsoSettingsService,
    private readonly domains: SsoDomainsService,
  ) {}

  @Get('orgs/:org_id/sso')
  @UserOnly()
  @ApiOperation({ operationId: 'getOrgSso', summary: 'The connection to the identity provider' })
  @ApiOkResponse({ type: ApiSsoSettings })
  async get(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiSsoSettings> {
    return ApiSsoSettings.from(await this.settings.get(caller, orgId));
  }

  /** The provider must answer: a mistyped issuer is told now. The secret is kept sealed and never readable again. */
  @Put('orgs/:org_id/sso')
  @UserOnly()
  @SelfSettled()
  @ApiOperation({ operationId: 'setOrgSso', summary: 'Connect an identity provider' })
  @ApiOkResponse({ type: ApiSsoSettings })
  @ApiFailures({ 502: 'The identity provider does not answer (sso_provider_failed)' })
  put(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiSsoSettingsBody,
  ): Promise<ApiSsoSettings> {
    const connection = ApiSsoSettingsBody.toConnection(body);
    return this.settings.save(caller, orgId, connection, (settings) => ApiSsoSettings.from(settings));
  }

  /** Ends the keys it made; members stay. */
  @Delete('orgs/:org_id/sso')
  @UserOnly()
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteOrgSso', summary: 'Disconnect the identity provider' })
  @ApiNoContentResponse()
  async remove(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<void> {
    await this.settings.remove(caller, orgId);
  }

  @Get('orgs/:org_id/domains')
  @UserOnly()
  @ApiOperation({ operationId: 'listOrgDomains', summary: 'E-mail domains of the organization' })
  @ApiOkResponse({ type: ApiSsoDomains })
  async listDomains(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiSsoDomains> {
    return ApiSsoDomains.from(await this.domains.list(caller, orgId));
  }

  /** Answers the TXT record that proves it; claiming again answers the same. */
  @Post('orgs/:org_id/domains')
  @UserOnly()
  @ApiOperation({ operationId: 'claimOrgDomain', summary: 'Claim an e-mail domain' })
  @ApiCreatedResponse({ type: ApiSsoDomain })
  async claimDomain(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiClaimDomainBody,
  ): Promise<ApiSsoDomain> {
    return ApiSsoDomain.from(await this.domains.add(caller, orgId, body.domain));
  }

  /** Looks for the TXT record. One organization can prove a domain. */
  @Post('orgs/:org_id/domains/:domain/verify')
  @UserOnly()
  @SelfSettled()
  @HttpCode(200)
  @ApiOperation({ operationId: 'verifyOrgDomain', summary: 'Prove an e-mail domain' })
  @ApiOkResponse({ type: ApiSsoDomain })
  @ApiFailures({
    409: 'Another organization has proved it (domain_taken)',
    422: 'The record is not there (domain_not_proven)',
    502: 'DNS does not answer (dns_failed)',
  })
  verifyDomain(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('domain') domain: string,
  ): Promise<ApiSsoDomain> {
    return this.domains.verify(caller, orgId, domain, (proved) => ApiSsoDomain.from(proved));
  }

  /** Nobody joins by it any more; who has joined stays. */
  @Delete('orgs/:org_id/domains/:domain')
  @UserOnly()
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteOrgDomain', summary: 'Give up an e-mail domain' })
  @ApiNoContentResponse()
  async removeDomain(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('domain') domain: string,
  ): Promise<void> {
    await this.domains.remove(caller, orgId, domain);
  }

  /** A platform administrator's word in place of the DNS record. */
  @Post('admin/orgs/:org_id/domains/:domain/verify')
  @RequireAdmin()
  @HttpCode(200)
  @ApiOperation({ operationId: 'adminVerifyOrgDomain', summary: 'Vouch for an e-mail domain' })
  @ApiOkResponse({ type: ApiSsoDomain })
  @ApiFailures({ 409: 'Another organization has proved it (domain_taken)' })
  async vouchForDomain(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('domain') domain: string,
  ): Promise<ApiSsoDomain> {
    return ApiSsoDomain.from(await this.domains.vouch(caller, orgId, domain));
  }
}
