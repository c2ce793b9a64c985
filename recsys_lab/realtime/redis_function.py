"""The Redis function library: an event, its line in the log and all that it changes are one call, and one step.

KEYS[1] is the prefix of all keys. Behind it:

- `log`, a stream: the lines in the order of arrival; `seen`, a hash: event id → its place in the stream
- `mine:SHOPPER`, a sorted set: a shopper's events by (timestamp, id); members are id, product, type and session, with
  zero bytes between them, so that equal times fall by id, and pairs are found without a look into the log
- `n:TABLE`, a hash of numbers; `alive`, a sorted set: until when the tables live that end
- `recent:SHOPPER`, a list: the latest lines of a record; `torn`, a set: shoppers whose record has to be made anew
- `latest`, the shop's time

Times are compared as float64, which is exact below 2**53; the lists hold no impressions.
"""

CODE = r"""
local function give_up(p, tab)
  redis.call('DEL', p .. 'n:' .. tab)
  redis.call('ZREM', p .. 'alive', tab)
  if tab:sub(1, 8) == 'shopper/' then redis.call('DEL', p .. 'recent:' .. tab:sub(9)) end
end

local function sweep(p, now, most)
  local gone = redis.call('ZRANGEBYSCORE', p .. 'alive', '-inf', '(' .. now, 'LIMIT', 0, most)
  for _, tab in ipairs(gone) do give_up(p, tab) end
  return #gone
end

-- One for each other click of the shopper in this session within the time, in both directions.
local function pairs_of(p, name, mine, ts, within, item, kind, session)
  if kind ~= 'clicked_on' then return end
  local near = redis.call('ZRANGEBYSCORE', mine, string.format('%.0f', ts - within), string.format('%.0f', ts + within))
  for _, member in ipairs(near) do
    local other, what, where = member:match('^%Z*%z(%Z*)%z(%Z*)%z(%Z*)$')
    if what == kind and where == session and other ~= item then
      redis.call('HINCRBY', p .. 'n:' .. name .. '/' .. item, other, 1)
      redis.call('HINCRBY', p .. 'n:' .. name .. '/' .. other, item, 1)
    end
  end
end

local how = {add = 'HINCRBY', first = 'HSETNX', last = 'HSET'}

-- ARGV: texts in one JSON array, which are read faster than many arguments: id, time, shopper, product, type, session,
-- line, longest pause, lines kept; then changes of five words each:
-- '+' table field n until, '*' name '' within '', or '=' '' field n how. Returns new, late, and whether the shopper's
-- record has to be made anew from the log: it is then taken away, and nobody can read a wrong one.
local function take(keys, args)
  local a = cjson.decode(args[1])
  local p, id, shopper, item, kind, session = keys[1], a[1], a[3], a[4], a[5], a[6]
  local ts, idle = tonumber(a[2]), tonumber(a[8])
  if redis.call('HEXISTS', p .. 'seen', id) == 1 then return {0, 0, 0} end

  local mine, record = p .. 'mine:' .. shopper, 'shopper/' .. shopper
  local newest = redis.call('ZRANGE', mine, -1, -1, 'WITHSCORES')
  redis.call('HSET', p .. 'seen', id, redis.call('XADD', p .. 'log', '*', 'e', a[7]))
  local latest = tonumber(redis.call('GET', p .. 'latest') or '0')
  if ts > latest then
    latest = ts
    redis.call('SET', p .. 'latest', a[2])
  end
  local member = table.concat({id, item, kind, session}, '\0')
  redis.call('ZADD', mine, a[2], member)

  local late = redis.call('ZREVRANK', mine, member) > 0
  local away = newest[2] and ts - tonumber(newest[2]) > idle
  local torn = late or (newest[2] and not away and redis.call('EXISTS', p .. 'n:' .. record) == 0)
  if torn then redis.call('SADD', p .. 'torn', shopper) end
  if torn or away then give_up(p, record) end

  for at = 10, #a, 5 do
    local what, tab, field, n, extra = a[at], a[at + 1], a[at + 2], a[at + 3], a[at + 4]
    if what == '*' then
      pairs_of(p, tab, mine, ts, tonumber(n), item, kind, session)
    elseif what == '=' then
      if not torn then redis.call(how[extra], p .. 'n:' .. record, field, n) end
    else
      redis.call('HINCRBY', p .. 'n:' .. tab, field, n)
      if extra ~= '' then redis.call('ZADD', p .. 'alive', extra, tab) end
    end
  end
  if not torn then
    redis.call('ZADD', p .. 'alive', string.format('%.0f', ts + idle), record)
    if kind ~= 'impression' then
      redis.call('RPUSH', p .. 'recent:' .. shopper, a[7])
      redis.call('LTRIM', p .. 'recent:' .. shopper, -tonumber(a[9]), -1)
    end
  end
  sweep(p, string.format('%.0f', latest), 10)
  return {1, late and 1 or 0, torn and 1 or 0}
end

-- What a record is made anew from: all lines of a shopper, in order.
local function events(keys, a)
  local p, lines = keys[1], {}
  for _, member in ipairs(redis.call('ZRANGE', p .. 'mine:' .. a[1], 0, -1)) do
    local at = redis.call('HGET', p .. 'seen', member:match('^%Z*'))
    lines[#lines + 1] = redis.call('XRANGE', p .. 'log', at, at)[1][2][2]
  end
  return lines
end

-- ARGV: shopper, the number of events it was made from, until, number of fields; then field and n, then lines.
-- Returns 0 and does nothing where another event has come meanwhile.
local function mend(keys, a)
  local p, record = keys[1], 'shopper/' .. a[1]
  if redis.call('ZCARD', p .. 'mine:' .. a[1]) ~= tonumber(a[2]) then return 0 end
  give_up(p, record)
  redis.call('SREM', p .. 'torn', a[1])
  if tonumber(a[3]) < tonumber(redis.call('GET', p .. 'latest') or '0') then return 1 end
  local lines = 4 + 2 * tonumber(a[4])
  for at = 5, lines, 2 do redis.call('HSET', p .. 'n:' .. record, a[at], a[at + 1]) end
  for at = lines + 1, #a do redis.call('RPUSH', p .. 'recent:' .. a[1], a[at]) end
  redis.call('ZADD', p .. 'alive', a[3], record)
  return 1
end

-- Returns the time of the shopper's last event, the record and its lines, of one moment; each as one JSON array (the
-- record's is empty where there is none), which a client reads faster than many answers.
local function visit(keys, a)
  local p = keys[1]
  local newest = redis.call('ZRANGE', p .. 'mine:' .. a[1], -1, -1, 'WITHSCORES')
  local own = redis.call('HGETALL', p .. 'n:shopper/' .. a[1])
  return {newest[2] or false, #own > 0 and cjson.encode(own) or '',
          '[' .. table.concat(redis.call('LRANGE', p .. 'recent:' .. a[1], 0, -1), ',') .. ']'}
end

-- ARGV: shopper, the number of events known; then table, field, n: what is taken back. The stream is written anew: one
-- that an entry is deleted from keeps its bytes. Returns 0 and does nothing where another event has come meanwhile.
local function forget(keys, a)
  local p, gone = keys[1], {}
  local mine = p .. 'mine:' .. a[1]
  if redis.call('ZCARD', mine) ~= tonumber(a[2]) then return 0 end
  for at = 3, #a, 3 do
    local tab = p .. 'n:' .. a[at]
    if redis.call('HEXISTS', tab, a[at + 1]) == 1 and redis.call('HINCRBY', tab, a[at + 1], -a[at + 2]) == 0 then
      redis.call('HDEL', tab, a[at + 1])
    end
  end
  for _, member in ipairs(redis.call('ZRANGE', mine, 0, -1)) do
    local id = member:match('^%Z*')
    gone[redis.call('HGET', p .. 'seen', id)] = true
    redis.call('HDEL', p .. 'seen', id)
  end
  local from = '-'
  repeat
    local page = redis.call('XRANGE', p .. 'log', from, '+', 'COUNT', 1000)
    for _, entry in ipairs(page) do
      if not gone[entry[1]] then redis.call('XADD', p .. 'log anew', entry[1], 'e', entry[2][2]) end
      from = '(' .. entry[1]
    end
  until #page == 0
  redis.call('DEL', p .. 'log', mine)
  if redis.call('EXISTS', p .. 'log anew') == 1 then redis.call('RENAME', p .. 'log anew', p .. 'log') end
  redis.call('SREM', p .. 'torn', a[1])
  give_up(p, 'shopper/' .. a[1])
  return 1
end

local function expire(keys, a)
  return sweep(keys[1], a[1], tonumber(a[2]))
end

local function reads(name, what)
  redis.register_function{function_name = name .. SUFFIX, callback = what, flags = {'no-writes'}}
end
redis.register_function('take' .. SUFFIX, take)
redis.register_function('mend' .. SUFFIX, mend)
redis.register_function('forget' .. SUFFIX, forget)
redis.register_function('expire' .. SUFFIX, expire)
reads('events', events)
reads('visit', visit)
"""
