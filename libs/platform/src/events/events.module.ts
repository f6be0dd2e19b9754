import { Global, Module } from '@nestjs/common';
import { EventConsumerGauges } from './event-consumer-gauges.js';
import { EventConsumers } from './event-consumers.js';
import { EventConsumersRepository } from './event-consumers.repository.js';
import { Events } from './events.js';

/** The event log and who reads it. */
@Global()
@Module({
  providers: [Events, EventConsumerGauges, EventConsumers, EventConsumersRepository],
  exports: [Events, EventConsumers],
})
export class EventsModule {}
