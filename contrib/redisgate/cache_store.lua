-- Ends a load: stores the set that was read, unless something newer is known, and tells who waits for it.
-- KEYS: the set, its load, what is stale of the customer, and of the customer's resource
-- ARGV: token, when it was read, the earliest that Stigg may have said it, its end or '', '1' if it refuses,
--       the set ('' if the read failed), how long to keep it in ms, what all is stale before, the channel
-- Returns 'stored', 'stale', 'newer' or 'failed'; of a newer one when it was read, and the set.
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
if ARGV[6] == '' then
  redis.call('PUBLISH', ARGV[9], 'f' .. KEYS[1])
  return {'failed', '0', ''}
end
local at, sure = tonumber(ARGV[2]), tonumber(ARGV[3])
for _, floor in ipairs({redis.call('GET', KEYS[3]) or '', redis.call('GET', KEYS[4]) or '', ARGV[8]}) do
  if sure < (tonumber(floor) or 0) then
    redis.call('PUBLISH', ARGV[9], 's' .. KEYS[1])
    return {'stale', '0', ''}
  end
end
local s = redis.pcall('HMGET', KEYS[1], 'at', 'set')
if s.err then
  redis.call('DEL', KEYS[1])
  s = {}
end
local kept = tonumber(s[1] or '')
if kept and s[2] and kept > at and kept <= at + 60000000 then
  return {'newer', s[1], s[2]}
end
redis.call('HSET', KEYS[1], 'at', ARGV[2], 'sure', ARGV[3], 'ends', ARGV[4], 'denied', ARGV[5], 'set', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PUBLISH', ARGV[9], 's' .. KEYS[1])
return {'stored', '0', ''}
