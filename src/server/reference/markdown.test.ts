import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderInline, renderMarkdown } from './markdown.ts';

test('paragraphs, lists, code, emphasis and links', () => {
  assert.equal(
    renderMarkdown(
      'Takes an `Idempotency-Key`\nof **one** to *many*.\n\n- a\n  goes on\n- `b`\n\n1. x\n2. y',
    ),
    '<p>Takes an <code>Idempotency-Key</code> of <strong>one</strong> to <em>many</em>.</p>\n' +
      '<ul><li>a goes on</li><li><code>b</code></li></ul>\n<ol><li>x</li><li>y</li></ol>',
  );
  assert.equal(renderMarkdown('Codes:\n- a'), '<p>Codes:</p>\n<ul><li>a</li></ul>');
  assert.equal(renderMarkdown('```\n<b> `x`\n\ny\n```\nz'), '<pre>&lt;b&gt; `x`\n\ny</pre>\n<p>z</p>');
  assert.equal(renderInline('[here](/docs#a)'), '<a href="/docs#a">here</a>');
  assert.equal(renderInline('[**a**](/x**y**z)'), '<a href="/x**y**z"><strong>a</strong></a>');
  assert.equal(renderInline('2 * 3 * 4, snake_case_name'), '2 * 3 * 4, snake_case_name');
});

test('what is in code means nothing else', () => {
  assert.equal(renderInline('`**a** <b>`'), '<code>**a** &lt;b&gt;</code>');
  assert.equal(renderInline('an open ` stays'), 'an open ` stays');
});

test('a link leads to the web or to this server, else it is text', () => {
  for (const target of [
    'javascript:alert(1)',
    'data:text/html,x',
    '//elsewhere',
    'JaVaScript:x',
    'x"onclick=y',
  ]) {
    assert.doesNotMatch(renderInline(`[x](${target})`), /<a/, target);
  }
  assert.equal(
    renderInline('[x](https://a.example/?b="c")'),
    '<a href="https://a.example/?b=&quot;c&quot;">x</a>',
  );
});

test('property: no text brings in an element of its own', () => {
  const ours = /<\/?(?:p|ul|ol|li|pre|code|strong|em)>|<a href="(?:https?:\/\/|\/|#)[^"<>]*">|<\/a>/g;
  const pieces = fc.constantFrom(
    ...[
      '<',
      '>',
      '"',
      "'",
      '&',
      '`',
      '``',
      '*',
      '**',
      '[',
      '](',
      ')',
      '/',
      '#',
      '- ',
      '1. ',
      '\n',
      '\n\n',
      '```',
      'a',
      ' ',
    ],
    ...['<script>', 'javascript:', 'https://x', '<img src=x onerror=y>'],
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
      const rest = renderMarkdown(parts.join('')).replaceAll(ours, '');
      assert.doesNotMatch(rest, /[<>]/);
    }),
  );
});
