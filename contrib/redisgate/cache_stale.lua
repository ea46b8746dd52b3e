-- Says that something of a customer has changed: what was read before is stale.
-- KEYS: the set, its load, what is stale
-- ARGV: now ('' for Redis' own), how long to remember it in ms, the channel, what to tell there
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SET', KEYS[3], string.format('%.0f', now), 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
