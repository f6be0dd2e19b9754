import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { DomainError } from '#kernel';
import { Public } from '../access/access-rule.js';
import { AppConfig } from '../config/app-config.js';
import { Metrics } from './metrics.js';

@ApiExcludeController()
@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly metrics: Metrics,
    private readonly config: AppConfig,
  ) {}

  /** Prometheus text format; hidden (404) unless METRICS_PUBLIC. */
  @Get()
  @Public()
  @Header('Content-Type', 'text/plain; version=0.0.4; charset=utf-8')
  scrape(): Promise<string> {
    if (!this.config.METRICS_PUBLIC) throw new DomainError('not_found', 'Not found');
    return this.metrics.registry.metrics();
  }
}
