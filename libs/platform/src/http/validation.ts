import { type ArgumentMetadata, type Type, ValidationPipe, type ValidationError } from '@nestjs/common';
import { type ClassTransformOptions, instanceToPlain, plainToInstance } from 'class-transformer';
import { Allow } from 'class-validator';
import { DomainError } from '#kernel';

/** class-validator constraint → the `type` slug of sessionfs-1.md §2.3. */
const TYPES: Readonly<Record<string, string>> = {
  isDefined: 'missing',
  isNotEmpty: 'missing',
  isString: 'string_type',
  isInt: 'int_type',
  isBoolean: 'bool_type',
  isArray: 'list_type',
  isIn: 'literal_error',
  isEnum: 'literal_error',
  minLength: 'string_too_short',
  maxLength: 'string_too_long',
  min: 'greater_than_equal',
  max: 'less_than_equal',
  matches: 'string_pattern_mismatch',
};

const SECRET_FIELD = /password|secret|token|key/i;

const AS_SENT = 'roundhouse:as-sent';
/** What a body keeps as it was sent while the rest of it is transformed. */
const SENT = Symbol('sent');

/**
 * A member of a body that holds whatever JSON its client likes. It is handed on as it was parsed: Nest and
 * class-transformer would take members called `constructor`, `toString` or `__proto__` out of it without a word.
 */
export const AsSent = (): PropertyDecorator => (target, key) => {
  Allow()(target, key as string);
  Reflect.defineMetadata(AS_SENT, [...asSentBy(target), key as string], target);
};

const asSentBy = (prototype: object): readonly string[] =>
  (Reflect.getMetadata(AS_SENT, prototype) as readonly string[] | undefined) ?? [];

/**
 * Validates DTOs. The first problem becomes the message (its text is the contract's where the DTO says so); all of
 * them travel in `errors`. Unknown members are dropped unless a nested DTO refuses them itself.
 */
export function validationPipe(): ValidationPipe {
  return new WirePipe({
    transform: true,
    whitelist: true,
    stopAtFirstError: true,
    forbidUnknownValues: false,
    validateCustomDecorators: false,
    transformerPackage: { plainToInstance: withSent, classToPlain: instanceToPlain },
    exceptionFactory: (errors) => new Unfit(errors),
  });
}

class Unfit extends Error {
  constructor(readonly problems: readonly ValidationError[]) {
    super('The input does not fit');
  }
}

/** Names where in the request a problem is, and what was sent: Nest tells that to the pipe only. */
class WirePipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    try {
      return (await super.transform(withoutSent(value, metadata), metadata)) as unknown;
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      const place = metadata.type === 'param' ? 'path' : metadata.type;
      throw validationFailure(error.problems.flatMap((problem) => flatten(problem, [place], value)));
    }
  }
}

/** Takes what was laid aside of the body into its instance, before that is validated. */
function withSent<T>(dto: Type<T>, body: unknown, options?: ClassTransformOptions): T | T[] {
  const instance: T | T[] = plainToInstance(dto, body as T, options);
  const sent = (Object(body) as { readonly [SENT]?: object })[SENT];
  return sent ? (Object.assign(instance as object, sent) as T) : instance;
}

/** A copy of a body in which what is handed on as it was sent has been laid aside. */
function withoutSent(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
  const names = type === 'body' && metatype ? asSentBy(metatype.prototype as object) : [];
  if (names.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value);
  const sent = members.filter(([name]) => names.includes(name));
  return { ...Object.fromEntries(members.filter(([name]) => !names.includes(name))), [SENT]: Object.fromEntries(sent) };
}

interface FieldProblem {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input?: unknown;
}

function validationFailure(problems: readonly FieldProblem[]): DomainError {
  const first = problems[0];
  return new DomainError('invalid_input', first?.msg ?? 'Validation error', {
    details: { errors: problems },
    ...(first && { field: first.loc.slice(1).join('.') }),
  });
}

function flatten(error: ValidationError, parents: readonly (string | number)[], within: unknown): FieldProblem[] {
  const loc = [...parents, /^\d+$/.test(error.property) ? Number(error.property) : error.property];
  const input = (Object(within) as Record<string, unknown>)[error.property];
  const own = Object.entries(error.constraints ?? {}).map(([constraint, msg]) => ({
    type: error.value === undefined ? 'missing' : (TYPES[constraint] ?? 'value_error'),
    loc,
    msg,
    ...(!SECRET_FIELD.test(error.property) && { input: input ?? null }),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, loc, input))];
}
