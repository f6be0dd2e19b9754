import { ApiExtension } from '@nestjs/swagger';

export const API_FAILURES = 'x-failures';

/**
 * Further error statuses of an operation with what they mean. Those every route of its kind has (401, 403, 404 …) are
 * added by the document itself; the body is always the surface's envelope.
 */
export const ApiFailures = (failures: Readonly<Record<number, string>>): MethodDecorator =>
  ApiExtension(API_FAILURES, failures);
