import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiProperty, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { DomainError } from '#kernel';
import { ApiFailures, Caller, type Principal, Public, UserOnly } from '#platform';
import { VerificationService } from '../verification/verification.service.js';
import { sendVerification } from './verification-page.js';

export class ApiVerificationSent {
  @ApiProperty({ description: 'False when the address is verified already' }) sent!: boolean;
  @ApiProperty() message!: string;

  static from(sent: boolean): ApiVerificationSent {
    return { sent, message: sent ? 'Verification e-mail sent.' : 'This address is verified already.' };
  }
}

const FAILURES = { 400: 'No link of this server, or an expired one', 404: 'Replaced by a newer link' };

/** Verification of addresses (sessionfs-1.md §3.3); both places a token may stand are served. */
@ApiTags('Authentication')
@Controller('api/v1/auth/verify')
export class ApiVerificationController {
  constructor(private readonly verification: VerificationService) {}

  /** What the link of the mail opens: a page, or JSON when `Accept` prefers it. Following it twice changes nothing. */
  @Get(':token')
  @Public()
  @ApiOperation({ operationId: 'verifyEmail', summary: 'Verify an address' })
  @ApiProduces('text/html', 'application/json')
  @ApiOkResponse({ schema: { type: 'string' } })
  @ApiFailures(FAILURES)
  async verify(@Param('token') token: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendVerification(request, response, await this.verification.verify(token));
  }

  /** The same with the token as a query parameter. */
  @Get()
  @Public()
  @ApiOperation({ operationId: 'verifyEmailByQuery', summary: 'Verify an address (token in the query)' })
  @ApiQuery({ name: 'token', required: true, type: String })
  @ApiProduces('text/html', 'application/json')
  @ApiOkResponse({ schema: { type: 'string' } })
  @ApiFailures(FAILURES)
  async verifyByQuery(
    @Query('token') token: unknown,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendVerification(request, response, await this.verification.verify(asToken(token)));
  }

  /** Another link to the caller's address; the earlier one is out of force. Limited per address. */
  @Post('resend')
  @UserOnly()
  @HttpCode(200)
  @ApiOperation({ operationId: 'resendVerification', summary: 'Mail another verification link' })
  @ApiOkResponse({ type: ApiVerificationSent })
  @ApiFailures({ 429: 'Too many links to this address within the hour' })
  async resend(@Caller() caller: Principal): Promise<ApiVerificationSent> {
    return ApiVerificationSent.from(await this.verification.resend(caller));
  }
}

function asToken(token: unknown): string {
  if (typeof token === 'string') return token;
  const errors = [{ type: 'missing', loc: ['query', 'token'], msg: 'Field required', input: null }];
  throw new DomainError('invalid_input', 'Validation error', { details: { errors } });
}
