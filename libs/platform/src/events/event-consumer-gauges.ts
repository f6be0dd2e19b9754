import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Metrics } from '../telemetry/metrics.js';
import { type ConsumerState, EventConsumersRepository } from './event-consumers.repository.js';

/** Shows in the metrics which consumers of the event log fail or lag behind. */
@Injectable()
export class EventConsumerGauges implements OnModuleInit {
  private readonly log = new Logger(EventConsumerGauges.name);

  constructor(
    private readonly metrics: Metrics,
    private readonly positions: EventConsumersRepository,
  ) {}

  onModuleInit(): void {
    const registers = [this.metrics.registry];
    const lag: Gauge<'consumer'> = new Gauge({
      name: 'roundhouse_event_consumer_lag_seconds',
      help: 'Age of the oldest event that the consumer has yet to handle; 0 without one',
      labelNames: ['consumer'],
      registers,
      collect: () => this.read(({ name, lagSeconds }) => lag.set({ consumer: name }, lagSeconds)),
    });
    const failures: Gauge<'consumer'> = new Gauge({
      name: 'roundhouse_event_consumer_failures',
      help: 'Failed tries in a row of the consumer on the event it has come to',
      labelNames: ['consumer'],
      registers,
      collect: () => this.read(({ name, failures: count }) => failures.set({ consumer: name }, count)),
    });
  }

  private async read(show: (state: ConsumerState) => void): Promise<void> {
    try {
      (await this.positions.states()).forEach(show);
    } catch (error) {
      this.log.warn({ msg: 'event consumers could not be read; the metrics keep the last numbers', err: error });
    }
  }
}
