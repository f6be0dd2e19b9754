import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { Controller, Get, Header, Inject, Res, StreamableFile } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '#platform';

/** Late-bound, and built once: the document describes the application that hosts this controller. */
export class OpenApiDocument {
  build: () => OpenAPIObject = () => {
    throw new Error('The application that the document describes is not known yet.');
  };
  private built: OpenAPIObject | undefined;

  get value(): OpenAPIObject {
    return (this.built ??= this.build());
  }

  /** Before anybody is served: building keeps the main thread from everybody for a third of a second. */
  prepare(): void {
    this.built ??= this.build();
  }
}

const REDOC_BUNDLE = createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js');

const REDOC_PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Roundhouse API</title><link rel="icon" href="data:,"></head>
<body style="margin:0"><redoc spec-url="/api/openapi.json"></redoc><script src="/api/redoc/redoc.js"></script></body>
</html>
`;

/** What the documentation pages may load: our own scripts, and styles that ReDoc and Swagger UI write inline. */
export const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  'worker-src blob:',
  "frame-ancestors 'none'",
].join('; ');

@ApiExcludeController()
@Controller()
export class DocsController {
  constructor(@Inject(OpenApiDocument) private readonly document: OpenApiDocument) {}

  @Get(['api/openapi.json', 'openapi.json'])
  @Public()
  json(): OpenAPIObject {
    return this.document.value;
  }

  @Get(['api/redoc', 'redoc'])
  @Public()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', DOCS_POLICY)
  redoc(): string {
    return REDOC_PAGE;
  }

  @Get('api/redoc/redoc.js')
  @Public()
  bundle(@Res({ passthrough: true }) response: Response): StreamableFile {
    response.setHeader('Cache-Control', 'public, max-age=86400');
    return new StreamableFile(createReadStream(REDOC_BUNDLE), { type: 'text/javascript; charset=utf-8' });
  }

  @Get('docs')
  @Public()
  docs(@Res() response: Response): void {
    response.redirect(302, '/api/docs');
  }
}
