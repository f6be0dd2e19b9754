// expect: roundhouse/max-constructor-params
export class Wide {
  constructor(
    readonly a: string,
    readonly b: string,
    readonly c: string,
    readonly d: string,
    readonly e: string,
    readonly f: string,
    readonly g: string,
    readonly h: string,
    readonly i: string,
  ) {}
}
