import { randomInt } from 'node:crypto';

/** What sessions are called that nobody named (sandbox-sessions.md §A6.5). */
export const CITIES =
  `Aarhus|Abidjan|Abuja|Accra|Addis Ababa|Adelaide|Agadir|Algiers|Almaty|Amman|Amsterdam|Ankara|Antalya|Antwerp|Arequipa|
Arusha|Asmara|Astana|Asuncion|Athens|Auckland|Baku|Bamako|Bangkok|Barcelona|Basel|Beirut|Belfast|Belgrade|Bergen|Berlin|
Bern|Bilbao|Bishkek|Bogota|Bologna|Bordeaux|Boston|Brasilia|Bratislava|Bremen|Brisbane|Bristol|Brno|Brussels|Bucharest|
Budapest|Buenos Aires|Busan|Cairo|Calgary|Canberra|Caracas|Cardiff|Cartagena|Casablanca|Chengdu|Chennai|Chicago|Cologne|
Colombo|Copenhagen|Cordoba|Cork|Curitiba|Cusco|Dakar|Dallas|Daegu|Delhi|Denver|Dhaka|Dresden|Dubai|Dublin|Durban|Edinburgh|
Faro|Fez|Florence|Fukuoka|Galway|Gdansk|Geneva|Genoa|Ghent|Glasgow|Graz|Guadalajara|Hamburg|Hanoi|Harare|Havana|Helsinki|
Hiroshima|Hobart|Innsbruck|Istanbul|Jaipur|Jakarta|Kampala|Kathmandu|Kigali|Kingston|Kobe|Krakow|Kyoto|Lagos|La Paz|Lausanne|
Leipzig|Lille|Lima|Lisbon|Ljubljana|Lodz|London|Luanda|Lusaka|Luxembourg|Lyon|Madrid|Malaga|Malmo|Manila|Maputo|Marrakesh|
Marseille|Medellin|Melbourne|Milan|Minsk|Mombasa|Montevideo|Montreal|Mumbai|Munich|Nairobi|Nantes|Naples|Nice|Nicosia|Oaxaca|
Odense|Osaka|Oslo|Ottawa|Palermo|Panama|Paris|Perth|Porto|Prague|Pretoria|Quito|Rabat|Recife|Reykjavik|Riga|Rome|Rotterdam|
Salvador|Salzburg|San Juan|Santiago|Sapporo|Sarajevo|Seattle|Seoul|Seville|Sofia|Split|Stockholm|Stuttgart|Sydney|Taipei|
Tallinn|Tampere|Tbilisi|Tirana|Tokyo|Toronto|Toulouse|Trieste|Tromso|Tunis|Turin|Uppsala|Utrecht|Valencia|Vancouver|Venice|
Vienna|Vilnius|Warsaw|Wellington|Windhoek|Yerevan|Zagreb|Zurich`
    .replaceAll('\n', '')
    .split('|');

/** A city by chance, of those that are not `taken` if there is one; every city may be taken. */
export function drawCity(taken: ReadonlySet<string>): { readonly city: string; readonly isTaken: boolean } {
  const free = CITIES.filter((city) => !taken.has(city));
  const choice = free.length > 0 ? free : CITIES;
  return { city: choice[randomInt(choice.length)]!, isTaken: free.length === 0 };
}
