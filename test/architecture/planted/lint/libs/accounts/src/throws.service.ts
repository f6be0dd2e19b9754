// expect: roundhouse/no-http-exception
import { HttpException } from '@nestjs/common';
export function refuse(): never {
  throw new HttpException('no', 400);
}
