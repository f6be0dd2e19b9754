import { ForbiddenException } from '@nestjs/common';
export function refuse(): never {
  throw new ForbiddenException();
}
