-- Looks for a customer's set that is new enough. If there is none, the first who asks reads Stigg.
-- KEYS: the set, its load, what is stale of the customer, and of the customer's resource
-- ARGV: now ('' for Redis' own), since ('' or a time, or 'now'), TTL, TTL of a refusal, what all is stale
--       before, since when news arrive (0: they don't), TTL while they do, token, longest load in ms
-- Times are microseconds. Returns now, when the set was read, 'set', 'load' or 'wait', and the set.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local function text(n) return string.format('%.0f', n) end

local s = redis.pcall('HMGET', KEYS[1], 'at', 'sure', 'ends', 'denied', 'set')
if s.err then -- it is something else
  redis.call('DEL', KEYS[1])
  s = {}
end
local at, sure = tonumber(s[1] or ''), tonumber(s[2] or '')

local function fresh()
  if not at or not sure or at > now + 5000000 then
    return false -- there is none, or a clock was ahead
  end
  for _, floor in ipairs({redis.call('GET', KEYS[3]) or '', redis.call('GET', KEYS[4]) or '', ARGV[5]}) do
    if sure < (tonumber(floor) or 0) then
      return false
    end
  end
  local since, ends, live, age = tonumber(ARGV[2]), tonumber(s[3] or ''), tonumber(ARGV[6]), now - at
  if ARGV[2] == 'now' or since and at < since or ends and at < ends and ends <= now then
    return false
  end
  if s[4] == '1' then
    return age < tonumber(ARGV[4])
  end
  return age < tonumber(ARGV[3]) or live > 0 and sure >= live and age < tonumber(ARGV[7])
end

if fresh() then
  return {text(now), text(at), 'set', s[5] or ''}
end
if redis.call('SET', KEYS[2], ARGV[8], 'NX', 'PX', ARGV[9]) then
  return {text(now), '0', 'load', ''}
end
return {text(now), '0', 'wait', ''}
