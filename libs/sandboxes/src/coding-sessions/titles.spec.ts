import { CITIES, drawCity } from './titles.js';

it('draws every city once before it draws one again', () => {
  expect(CITIES.length).toBeGreaterThanOrEqual(180);
  expect(CITIES.every((city) => /^[A-Z][A-Za-z]+( [A-Z][a-z]+)?$/.test(city))).toBe(true);
  const taken = new Set<string>();
  for (const _ of CITIES) {
    const { city, isTaken } = drawCity(taken);
    expect(isTaken).toBe(false);
    expect(taken.has(city)).toBe(false);
    taken.add(city);
  }
  expect(drawCity(taken)).toMatchObject({ isTaken: true });
});
