// The kinds of resources, as the server's catalogue declares them.

import {kinds} from './kinds.js';
import {superAdmin} from './session.js';

export const groups = [
  {name: 'projects', title: 'Projects'},
  {name: 'ground', title: 'Infrastructure'},
  {name: 'people', title: 'People'},
];

const byName = new Map(kinds.flatMap((kind) => [[kind.name, kind], [kind.plural, kind]]));

// named finds a kind by its name or plural.
export const named = (word) => byName.get(word);

// rank has what a group is about stand first, then machines.
const rank = (kind) => (kind.parents.length === 0 ? 0 : kind.power ? 1 : 2);

// offered are the kinds of a group of which somebody may see any.
export const offered = (group, who) => kinds.filter((kind) => kind.group === group && (!kind.reserved || superAdmin(who))).sort((a, b) => rank(a) - rank(b));

// within tells whether a kind lies in another one itself.
export const within = (kind, outer) => kind.parents.includes(outer);

// columns are those of a kind's table: the catalogue's, then where the objects lie.
export const columns = (kind) => [
  ...kind.fields.filter((field) => field.column && field.name !== 'name'),
  ...kind.parents.map((parent) => ({name: `${parent}_id`, label: parent, type: 'string', ref: parent})),
];

// sortable tells whether lists can be in the order of a field: one value of the object itself.
export const sortable = (field) => !field.label && ['string', 'integer', 'number', 'boolean', 'date'].includes(field.type);

const words = (text) => text.replaceAll('_', ' ');

// label is what a field is called for people.
export const label = (field) => words(field.label ?? field.name);
