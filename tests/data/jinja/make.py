#!/usr/bin/env python3
"""make.py: writes expected.json and families.json, what jinja2 3.1 makes of the templates here under Hugging Face's settings. Needs python3-jinja2; run it after changing a template or a conversation."""
import datetime, json, os, jinja2, jinja2.ext
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(jinja2.ext.Extension):
    tags = {'generation'}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(['name:endgeneration'], drop_needle=True)
        return nodes.CallBlock(self.call_method('_support'), [], [], body).set_lineno(line)
    def _support(self, caller):
        return caller()

def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters['tojson'] = tojson
env.globals.update(raise_exception=raise_exception, strftime_now=lambda f: datetime.datetime.now().strftime(f))
here = os.path.dirname(os.path.abspath(__file__))
variables = json.load(open(f'{here}/variables.json'))

def unescape(line):
    return line.replace('↵', '\n').replace('⇥', '\t').replace('␍', '\r')

def render(template, variables=variables):
    try:
        return {'output': env.from_string(template).render(**variables)}
    except RecursionError:
        return {'error': None}
    except Exception as e:
        return {'error': str(getattr(e, 'message', None) or e)}

lines = lambda name: [line for line in open(f'{here}/{name}', encoding='utf-8').read().split('\n') if line]
cases = [{'template': '{{ ' + e + ' }}'} for e in lines('expressions.txt')] + [{'template': unescape(t)} for t in lines('templates.txt')]
with open(f'{here}/expected.json', 'w', encoding='utf-8') as file:
    file.write('[\n' + ',\n'.join(json.dumps({**case, **render(case['template'])}, ensure_ascii=True) for case in cases) + '\n]\n')

# Each template of families/ on each conversation, with the variables that apply_chat_template gives.
conversations = json.load(open(f'{here}/conversations.json', encoding='utf-8'))
families = {}
for file in sorted(os.listdir(f'{here}/families')):
    template = open(f'{here}/families/{file}', encoding='utf-8').read()
    families[file[:-6]] = {name: render(template, {'tools': None, 'documents': None, 'add_generation_prompt': True, 'bos_token': '<s>', 'eos_token': '</s>', 'date_string': '1 Jan 2026', **c}) for name, c in conversations.items()}
with open(f'{here}/families.json', 'w', encoding='utf-8') as file:
    file.write(json.dumps(families, ensure_ascii=True, indent=1) + '\n')
