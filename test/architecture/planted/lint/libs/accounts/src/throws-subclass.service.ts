// expect: roundhouse/no-http-exception
import { NotFoundException } from '@nestjs/common';
export function refuse(): never {
  throw new NotFoundException('no');
}
