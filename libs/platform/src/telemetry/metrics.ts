import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

/** The process's Prometheus registry; one per application, so that several can live in one test process. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly requests: Histogram<'method' | 'dialect' | 'status'>;
  readonly gitOperations: Counter<'operation' | 'outcome'>;
  readonly periodicRounds: Counter<'task' | 'outcome'>;

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    this.requests = new Histogram({
      name: 'roundhouse_http_request_seconds',
      help: 'Time from the first byte of a request to the end of its answer',
      labelNames: ['method', 'dialect', 'status'],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
      registers: [this.registry],
    });
    this.gitOperations = new Counter({
      name: 'roundhouse_git_operations_total',
      help: 'Git operations by kind and outcome',
      labelNames: ['operation', 'outcome'],
      registers: [this.registry],
    });
    this.periodicRounds = new Counter({
      name: 'roundhouse_periodic_rounds_total',
      help: 'Rounds of periodic tasks by outcome: done, failed, or skipped because the one before was not over',
      labelNames: ['task', 'outcome'],
      registers: [this.registry],
    });
  }
}
