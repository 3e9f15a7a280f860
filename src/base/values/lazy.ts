/**
 * A property that is made when it is asked for, on objects that are made by the thousand.
 *
 * Not an accessor in an object literal: that gives each object a hidden class of its own, which lies in the old generation and
 * holds the object until all of that is collected. Requests that had one lived on so, 5 KB and more each.
 */
const MAKE = Symbol('make');

interface Making<Value> {
  [MAKE]: () => Value;
}

/**
 * @param name of the property
 * @returns what gives an object with it: a copy of the one given. `make` is called each time that it is read. A copy by
 *   spread does not have it
 */
export function defineLazy<Name extends string, Value>(
  name: Name,
): <Given extends object>(given: Given, make: () => Value) => Given & Readonly<Record<Name, Value>> {
  const prototype = Object.defineProperty({}, name, {
    enumerable: true,
    get(this: Making<Value>) {
      return this[MAKE]();
    },
  });
  return <Given extends object>(given: Given, make: () => Value) =>
    ({ __proto__: prototype, ...given, [MAKE]: make }) as unknown as Given & Readonly<Record<Name, Value>>;
}
