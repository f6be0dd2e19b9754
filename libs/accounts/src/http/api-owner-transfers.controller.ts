import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { ApiFailures, Caller, type Principal, UserOnly } from '#platform';
import { OwnerTransfersService } from '../organisations/owner-transfers.service.js';
import {
  ApiAcceptedOwnerTransfer,
  ApiCancelledOwnerTransfer,
  ApiNoOwnerTransfer,
  ApiOfferOwnershipBody,
  ApiOwnerTransfer,
} from './api-owner-transfers.dto.js';

const NOT_PENDING = { 409: 'It is not pending any more, or a role has changed' };

/** Handing an organisation over (sessionfs-2.md §14.3). */
@ApiTags('Organizations')
@Controller('api/v1/orgs/:org_id/owner/transfer')
export class ApiOwnerTransfersController {
  constructor(private readonly transfers: OwnerTransfersService) {}

  /** Takes the owner; open to the admin named for seven days. */
  @Post()
  @UserOnly()
  @HttpCode(200)
  @ApiFailures({ 409: 'A transfer is pending' })
  @ApiOperation({ operationId: 'offerOwnership', summary: 'Offer the ownership to an admin' })
  @ApiOkResponse({ type: ApiOwnerTransfer })
  async offer(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Body() body: ApiOfferOwnershipBody,
  ): Promise<ApiOwnerTransfer> {
    return ApiOwnerTransfer.from(await this.transfers.offer(caller, orgId, body.to_user_id));
  }

  /** `{"pending": false}` when nothing is. */
  @Get()
  @UserOnly()
  @ApiExtraModels(ApiOwnerTransfer, ApiNoOwnerTransfer)
  @ApiOperation({ operationId: 'getOwnerTransfer', summary: 'The pending owner transfer' })
  @ApiOkResponse({
    schema: { oneOf: [{ $ref: getSchemaPath(ApiOwnerTransfer) }, { $ref: getSchemaPath(ApiNoOwnerTransfer) }] },
  })
  async get(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
  ): Promise<ApiOwnerTransfer | ApiNoOwnerTransfer> {
    const pending = await this.transfers.findPending(caller, orgId);
    return pending ? ApiOwnerTransfer.from(pending) : { pending: false };
  }

  /** By the one it was offered to, who becomes the owner; the owner becomes an admin. */
  @Post(':transfer_id/accept')
  @UserOnly()
  @HttpCode(200)
  @ApiFailures(NOT_PENDING)
  @ApiOperation({ operationId: 'acceptOwnership', summary: 'Accept the ownership' })
  @ApiOkResponse({ type: ApiAcceptedOwnerTransfer })
  async accept(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('transfer_id') transferId: string,
  ): Promise<ApiAcceptedOwnerTransfer> {
    return ApiAcceptedOwnerTransfer.from(await this.transfers.accept(caller, orgId, transferId));
  }

  /** By the owner or the one it was offered to. */
  @Post(':transfer_id/cancel')
  @UserOnly()
  @HttpCode(200)
  @ApiFailures(NOT_PENDING)
  @ApiOperation({ operationId: 'cancelOwnerTransfer', summary: 'Cancel an owner transfer' })
  @ApiOkResponse({ type: ApiCancelledOwnerTransfer })
  async cancel(
    @Caller() caller: Principal,
    @Param('org_id') orgId: string,
    @Param('transfer_id') transferId: string,
  ): Promise<ApiCancelledOwnerTransfer> {
    return ApiCancelledOwnerTransfer.from(await this.transfers.cancel(caller, orgId, transferId));
  }
}
