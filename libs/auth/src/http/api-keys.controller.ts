import { Body, Controller, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Clock } from '#kernel';
import { ApiFailures, Caller, HoldsSecret, type Principal, UserOnly } from '#platform';
import { KeysService } from '../keys/keys.service.js';
import {
  ApiCreateKeyBody,
  ApiCreatePersonalKeyBody,
  ApiKey,
  ApiMintedKey,
  ApiMintedPersonalKey,
  ApiPersonalKey,
  ApiRevokePersonalKeyBody,
  ApiRotateKeyBody,
} from './api-keys.dto.js';

/** A person's own keys, in the two forms of the contract (sessionfs-1.md §3.3). */
@ApiTags('Authentication')
@Controller('api/v1/auth')
@UserOnly()
export class ApiKeysController {
  constructor(
    private readonly keys: KeysService,
    private readonly clock: Clock,
  ) {}

  /** A further key. `scopes: []` makes a key that can do nothing. */
  @Post('keys')
  @HoldsSecret()
  @ApiOperation({ operationId: 'createKey', summary: 'Create a key' })
  @ApiCreatedResponse({ type: ApiMintedKey })
  async create(@Caller() caller: Principal, @Body() body: ApiCreateKeyBody): Promise<ApiMintedKey> {
    return ApiMintedKey.fromMinted(await this.keys.create(caller, ApiCreateKeyBody.toNewKey(body)));
  }

  /** The caller's live keys, newest first; never the raw values. */
  @Get('keys')
  @ApiOperation({ operationId: 'listKeys', summary: 'List my keys' })
  @ApiOkResponse({ type: [ApiKey] })
  async list(@Caller() caller: Principal): Promise<ApiKey[]> {
    return (await this.keys.listLive(caller)).map((key) => ApiKey.from(key));
  }

  /** Ends a key of the caller on every node within a second. */
  @Delete('keys/:key_id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteKey', summary: 'Revoke a key' })
  @ApiNoContentResponse()
  async delete(@Caller() caller: Principal, @Param('key_id') keyId: string): Promise<void> {
    await this.keys.revoke(caller, keyId);
  }

  /**
   * A new key with the same name, scopes and account. The old one is accepted until its grace is over; a use after that
   * is refused and reported as `key.used_after_rotation`. Pinned sessions go on.
   */
  @Post('keys/:key_id/rotate')
  @HttpCode(200)
  @HoldsSecret()
  @ApiOperation({ operationId: 'rotateKey', summary: 'Replace a key' })
  @ApiOkResponse({ type: ApiMintedKey })
  @ApiFailures({ 409: 'The key was revoked or rotated already' })
  async rotate(
    @Caller() caller: Principal,
    @Param('key_id') keyId: string,
    @Body() body: ApiRotateKeyBody,
  ): Promise<ApiMintedKey> {
    return ApiMintedKey.fromMinted(await this.keys.rotate(caller, keyId, ApiRotateKeyBody.toSeconds(body)));
  }

  /** Every key the caller ever had, newest first, revoked ones included. */
  @Get('me/api-keys')
  @ApiOperation({ operationId: 'listPersonalKeys', summary: 'List my keys with the revoked ones' })
  @ApiOkResponse({ type: [ApiPersonalKey] })
  async listPersonal(@Caller() caller: Principal): Promise<ApiPersonalKey[]> {
    return (await this.keys.listAll(caller)).map((key) => ApiPersonalKey.from(key, this.clock.now()));
  }

  /** A further unrestricted key with a name. */
  @Post('me/api-keys')
  @HoldsSecret()
  @ApiOperation({ operationId: 'createPersonalKey', summary: 'Create a named key' })
  @ApiCreatedResponse({ type: ApiMintedPersonalKey })
  async createPersonal(
    @Caller() caller: Principal,
    @Body() body: ApiCreatePersonalKeyBody,
  ): Promise<ApiMintedPersonalKey> {
    const minted = await this.keys.create(caller, ApiCreateKeyBody.toNewKey(body));
    return ApiMintedPersonalKey.fromMinted(minted, this.clock.now());
  }

  /** Ends a key with a reason. Repeating it changes nothing. */
  @Delete('me/api-keys/:key_id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'revokePersonalKey', summary: 'Revoke a key with a reason' })
  @ApiNoContentResponse()
  async revokePersonal(
    @Caller() caller: Principal,
    @Param('key_id') keyId: string,
    @Body() body: ApiRevokePersonalKeyBody,
  ): Promise<void> {
    await this.keys.revokeFor(caller, keyId, body.reason);
  }
}
