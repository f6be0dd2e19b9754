import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { Metrics } from '../telemetry/metrics.js';
import { type MailCounts, MailOutboxRepository } from './mail-outbox.repository.js';

/** Shows stuck mail in the metrics: how many wait or have failed, and how old the oldest waiting one is. */
@Injectable()
export class MailGauges implements OnModuleInit {
  private readonly log = new Logger(MailGauges.name);

  constructor(
    private readonly metrics: Metrics,
    private readonly outbox: MailOutboxRepository,
  ) {}

  onModuleInit(): void {
    const registers = [this.metrics.registry];
    const mails: Gauge<'state'> = new Gauge({
      name: 'roundhouse_mail',
      help: 'Mail that waits to be delivered, and mail of the last 30 days that failed for good',
      labelNames: ['state'],
      registers,
      collect: () =>
        this.read(({ waiting, failed }) => {
          mails.set({ state: 'waiting' }, waiting);
          mails.set({ state: 'failed' }, failed);
        }),
    });
    const age: Gauge = new Gauge({
      name: 'roundhouse_mail_oldest_waiting_seconds',
      help: 'Age of the oldest mail that is not delivered yet; 0 without one',
      registers,
      collect: () => this.read(({ oldestSeconds }) => age.set(oldestSeconds)),
    });
  }

  private async read(show: (counts: MailCounts) => void): Promise<void> {
    try {
      show(await this.outbox.counts());
    } catch (error) {
      this.log.warn({ msg: 'mail could not be counted; the metrics keep the last numbers', err: error });
    }
  }
}
