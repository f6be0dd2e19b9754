import { Body, Controller, Get, HttpCode, Post, Req, Res, UseFilters } from '@nestjs/common';
import { ApiFoundResponse, ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { ApiFailures, AppConfig, Public } from '#platform';
import { type SignedIn, SsoSignInService } from '../sso-sign-in.service.js';
import { ApiExchangeSsoBody, ApiSsoKey, ApiStartedSso, ApiStartSsoBody } from './api-sso.dto.js';
import { bindBrowser, broughtBack } from './sso-cookie.js';
import { keepPrivate, sendKeyPage, SsoPageFilter, wantsPage } from './sso-pages.js';

const CALLBACK = '/api/v1/auth/sso/callback';
const PROVIDER_FAILS = { 502: 'The identity provider does not answer (sso_provider_failed)' };

/** Sign-in with an OpenID Connect provider (docs/sso.md): start, a browser's way there and back, exchange. */
@ApiTags('Single sign-on')
@Controller('api/v1/auth/sso')
export class ApiSsoController {
  constructor(
    private readonly signIns: SsoSignInService,
    private readonly config: AppConfig,
  ) {}

  /** Answers every address alike: whether a sign-in is set up for it shows in the browser only. */
  @Post('start')
  @Public()
  @HttpCode(200)
  @ApiOperation({ operationId: 'startSso', summary: 'Begin a single sign-on' })
  @ApiOkResponse({ type: ApiStartedSso })
  async start(@Body() body: ApiStartSsoBody, @Req() request: Request): Promise<ApiStartedSso> {
    const attempt = await this.signIns.start(ApiStartSsoBody.toAttempt(body));
    const url = `${this.base(request)}/api/v1/auth/sso/continue?attempt=${attempt}`;
    return { authorization_url: url, attempt };
  }

  /** Takes a browser to the identity provider. */
  @Get('continue')
  @Public()
  @UseFilters(SsoPageFilter)
  @ApiOperation({ operationId: 'continueSso', summary: 'Go on to the identity provider' })
  @ApiQuery({ name: 'attempt' })
  @ApiFoundResponse({ description: 'To the identity provider' })
  @ApiFailures({ 400: 'Used, or over', 404: 'No single sign-on is set up for the address', ...PROVIDER_FAILS })
  async depart(@Req() request: Request, @Res() response: Response): Promise<void> {
    const { url, state, browser } = await this.signIns.depart(
      textOf(request, 'attempt'),
      this.base(request) + CALLBACK,
    );
    bindBrowser(response, state, browser, this.base(request).startsWith('https:'));
    keepPrivate(response).redirect(302, url);
  }

  /**
   * Where the identity provider sends the browser back to. Shows the key on a page (as JSON to a program), or takes a
   * one-time code to the client that waits for it; never a key in an address.
   */
  @Get('callback')
  @Public()
  @UseFilters(SsoPageFilter)
  @ApiOperation({ operationId: 'finishSso', summary: 'Come back from the identity provider' })
  @ApiQuery({ name: 'state' })
  @ApiQuery({ name: 'code', required: false })
  @ApiOkResponse({ type: ApiSsoKey })
  @ApiFoundResponse({
    description: 'To the redirect of the start, with `code`, or with `error` and `error_description`',
  })
  @ApiFailures({
    400: 'Used, over, or another browser’s',
    403: 'The provider or this server refuses',
    ...PROVIDER_FAILS,
  })
  async finish(@Req() request: Request, @Res() response: Response): Promise<void> {
    const state = textOf(request, 'state');
    const query = request.originalUrl.split('?').slice(1).join('?');
    const signedIn = await this.signIns.finish({ query, state, browser: broughtBack(request, state) });
    answer(signedIn, request, keepPrivate(response));
  }

  /** Redeems the code of the redirect, once, within a minute. */
  @Post('exchange')
  @Public()
  @HttpCode(200)
  @ApiOperation({ operationId: 'exchangeSso', summary: 'Get the key of a single sign-on' })
  @ApiOkResponse({ type: ApiSsoKey })
  @ApiFailures({ 400: 'The code is unknown, used, over, or not for this verifier' })
  async exchange(@Body() body: ApiExchangeSsoBody, @Res({ passthrough: true }) response: Response): Promise<ApiSsoKey> {
    keepPrivate(response);
    return ApiSsoKey.from(await this.signIns.exchange(body.code, body.verifier));
  }

  private base(request: Request): string {
    const base = this.config.PUBLIC_URL ?? `${request.protocol}://${request.get('host') ?? 'localhost'}`;
    return base.replace(/\/+$/, '');
  }
}

function answer(signedIn: SignedIn, request: Request, response: Response): void {
  if ('redirect' in signedIn) response.redirect(302, signedIn.redirect);
  else if (wantsPage(request)) sendKeyPage(response, signedIn.key);
  else response.json(ApiSsoKey.from(signedIn.key));
}

/** A repeated parameter is no parameter. */
function textOf(request: Request, name: string): string {
  const value = request.query[name];
  return typeof value === 'string' ? value : '';
}
