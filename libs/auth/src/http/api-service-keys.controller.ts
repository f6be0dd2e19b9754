import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Clock } from '#kernel';
import { ApiFailures, Caller, HoldsSecret, type Principal, UserOnly } from '#platform';
import { ServiceKeysService } from '../service-keys/service-keys.service.js';
import { ApiRotateKeyBody } from './api-keys.dto.js';
import {
  ApiCreateServiceKeyBody,
  ApiMintedServiceKey,
  ApiRevokeServiceKeyBody,
  ApiServiceKey,
} from './api-service-keys.dto.js';

/** Keys of organizations for machines (seed 002, sessionfs-1.md §4). */
@ApiTags('Service keys')
@Controller('api/v1/orgs/:org_id/service-keys')
@UserOnly()
export class ApiServiceKeysController {
  constructor(
    private readonly keys: ServiceKeysService,
    private readonly clock: Clock,
  ) {}

  /** A key that reaches exactly the routes its scopes name. Takes an administrator of the organization and its tier. */
  @Post()
  @HoldsSecret()
  @ApiOperation({ operationId: 'createServiceKey', summary: 'Create a service key' })
  @ApiCreatedResponse({ type: ApiMintedServiceKey })
  async create(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiCreateServiceKeyBody,
  ): Promise<ApiMintedServiceKey> {
    const minted = await this.keys.create(caller, orgId, ApiCreateServiceKeyBody.toNewKey(body));
    return ApiMintedServiceKey.fromMinted(orgId, minted, this.clock.now());
  }

  /** Every key of the organization, newest first, revoked ones included; for all of its members. */
  @Get()
  @ApiOperation({ operationId: 'listServiceKeys', summary: 'List service keys' })
  @ApiOkResponse({ type: [ApiServiceKey] })
  async list(@Caller() caller: Principal, @Param('org_id') orgId: string): Promise<ApiServiceKey[]> {
    return (await this.keys.list(caller, orgId)).map((key) => ApiServiceKey.from(orgId, key, this.clock.now()));
  }

  /** For all members of the organization. */
  @Get(':key_id')
  @ApiOperation({ operationId: 'getServiceKey', summary: 'Show a service key' })
  @ApiOkResponse({ type: ApiServiceKey })
  async get(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('key_id') keyId: string,
  ): Promise<ApiServiceKey> {
    return ApiServiceKey.from(orgId, await this.keys.get(caller, orgId, keyId), this.clock.now());
  }

  /** Ends the key on every node within a second. Repeating it changes nothing. */
  @Delete(':key_id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'revokeServiceKey', summary: 'Revoke a service key' })
  @ApiNoContentResponse()
  async revoke(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('key_id') keyId: string,
    @Body() body: ApiRevokeServiceKeyBody,
  ): Promise<void> {
    await this.keys.revoke(caller, orgId, keyId, ApiRevokeServiceKeyBody.toReason(body));
  }

  /**
   * A new key with the same name, scopes, projects and length of life. The old one is accepted until its grace is over;
   * a use after that is refused and reported as `key.used_after_rotation`.
   */
  @Post(':key_id/rotate')
  @HttpCode(200)
  @HoldsSecret()
  @ApiOperation({ operationId: 'rotateServiceKey', summary: 'Replace a service key' })
  @ApiOkResponse({ type: ApiMintedServiceKey })
  @ApiFailures({ 409: 'The key was revoked or rotated already' })
  async rotate(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('key_id') keyId: string,
    @Body() body: ApiRotateKeyBody,
  ): Promise<ApiMintedServiceKey> {
    const minted = await this.keys.rotate(caller, orgId, keyId, ApiRotateKeyBody.toSeconds(body));
    return ApiMintedServiceKey.fromMinted(orgId, minted, this.clock.now());
  }
}
