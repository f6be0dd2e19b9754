import { registerDecorator } from 'class-validator';
import { AllowedHosts } from '../http/public-addresses.js';

/** A comma-separated list of networks, addresses and host names. */
export function IsHostList(): PropertyDecorator {
  return (target, property) =>
    registerDecorator({
      name: 'isHostList',
      target: target.constructor,
      propertyName: String(property),
      validator: {
        validate: (value: unknown) => typeof value === 'string' && complaint(value) === null,
        defaultMessage: (given) => `${String(property)} ${complaint(String(given?.value)) ?? 'is unusable'}`,
      },
    });
}

function complaint(value: string): string | null {
  try {
    new AllowedHosts(value);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
