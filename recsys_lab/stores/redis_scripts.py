"""The Lua scripts of the Redis store: each is one step, so what it reads and what it does are of one moment.

Those that work on a collection begin alike. KEYS: how it was made, its vector set, the aliases. ARGV: the alias that
asks (or nothing), the collection's name, then their own. They return nil where the collection is gone or the alias
was switched.
"""

_HEAD = """
if ARGV[1] ~= '' and redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return false end
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
"""

SEARCH = (
    _HEAD
    + """
local command = {'VSIM', KEYS[2], 'FP32', ARGV[3], 'WITHSCORES', 'COUNT', ARGV[4]}
if ARGV[5] ~= '' then table.insert(command, 'FILTER') table.insert(command, ARGV[5]) end
local how = {'EF', ARGV[7], 'FILTER-EF', redis.call('VCARD', KEYS[2]) + 1}
if ARGV[6] ~= '' then how = {ARGV[6]} end
for _, word in ipairs(how) do table.insert(command, word) end
return redis.call(unpack(command))
"""
)

# ARGV: the number of fields that the writer knows, the number of points; then id, vector, attributes of each; then
# pairs of a key and a text. A point is taken out first: Redis 8.0 hands a VADD of an id that is there neither to its
# log nor to its replicas, so the new value would be gone after a restart. Returns 0 and writes nothing where the
# collection has got more fields meanwhile.
WRITE = (
    _HEAD
    + """
local fields = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do if name:sub(1, 1) == 'f' then fields = fields + 1 end end
if fields ~= tonumber(ARGV[3]) then return 0 end
local last = 4 + 3 * tonumber(ARGV[4])
for at = last + 1, #ARGV, 2 do redis.call('SADD', ARGV[at], ARGV[at + 1]) end
for at = 5, last, 3 do
  redis.call('VREM', KEYS[2], ARGV[at])
  redis.call('VADD', KEYS[2], 'FP32', ARGV[at + 1], ARGV[at], 'NOQUANT', 'SETATTR', ARGV[at + 2])
end
return 1
"""
)

READ = (
    _HEAD
    + """
local found = {}
for at = 3, #ARGV do
  local attributes = redis.call('VGETATTR', KEYS[2], ARGV[at])
  found[#found + 1] = attributes and {attributes, redis.call('VEMB', KEYS[2], ARGV[at], 'RAW')} or {}
end
return found
"""
)

REMOVE = (
    _HEAD
    + """
for at = 3, #ARGV do redis.call('VREM', KEYS[2], ARGV[at]) end
return 1
"""
)

COUNT = _HEAD + "return redis.call('VCARD', KEYS[2])"

# ARGV: pairs of a field and its kind; a field that is known keeps its kind.
LEARN = (
    _HEAD
    + """
for at = 3, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1]) end
return 1
"""
)

# ARGV: pairs of a field and its kind: all points have it now.
READY = (
    _HEAD
    + """
for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return 1
"""
)

# ARGV: the number of stand-ins, the stand-ins ("name": value), then ids: each gets those that it lacks.
FILL = (
    _HEAD
    + """
local names = tonumber(ARGV[3])
for at = 4 + names, #ARGV do
  local attributes = redis.call('VGETATTR', KEYS[2], ARGV[at])
  if attributes then
    for more = 4, 3 + names do
      local name = ARGV[more]:match('^"f%x+":')
      if not attributes:find(name, 1, true) then attributes = '{' .. ARGV[more] .. ', ' .. attributes:sub(2) end
    end
    redis.call('VSETATTR', KEYS[2], ARGV[at], attributes)
  end
end
return 1
"""
)

# KEYS: the set of collections, how it was made. ARGV: name, components, metric, longest length.
MAKE = """
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[2], 'dim', ARGV[2], 'metric', ARGV[3], 'max_norm', ARGV[4])
  redis.call('SADD', KEYS[1], ARGV[1])
end
return 1
"""

# KEYS: the set of collections, the aliases, how it was made, its vector set. ARGV: name. Returns an alias that stands
# for it.
DROP = """
local aliases = redis.call('HGETALL', KEYS[2])
for at = 1, #aliases, 2 do if aliases[at + 1] == ARGV[1] then return aliases[at] end end
for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do
  if field:sub(1, 1) == 'f' then redis.call('UNLINK', 'recsys:texts:' .. ARGV[1] .. ':' .. field) end
end
redis.call('UNLINK', KEYS[3], KEYS[4])
redis.call('SREM', KEYS[1], ARGV[1])
return 0
"""

# KEYS: the aliases, how the collection was made. ARGV: alias, name.
SWITCH = """
if redis.call('EXISTS', KEYS[2]) == 0 then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
