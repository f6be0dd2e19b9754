import { Global, Module } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { untilNone } from '../jobs/batches.js';
import { PeriodicTasks } from '../jobs/periodic-tasks.js';
import { Mail } from './mail.js';
import { MailGauges } from './mail-gauges.js';
import { MailOutboxRepository } from './mail-outbox.repository.js';
import { MailSender } from './mail-sender.js';
import { MailTransport, mailTransport } from './mail-transport.js';

@Global()
@Module({
  providers: [
    Mail,
    MailGauges,
    MailOutboxRepository,
    MailSender,
    { provide: MailTransport, inject: [AppConfig], useFactory: mailTransport },
  ],
  exports: [Mail],
})
export class MailModule {
  constructor(tasks: PeriodicTasks, outbox: MailOutboxRepository) {
    const run = (signal: AbortSignal): Promise<number> => untilNone(signal, () => outbox.sweep());
    tasks.register({ name: 'mail.sweep', everyMs: 3_600_000, run });
  }
}
