-- Takes a stream over whose owner has ended.
-- KEYS: what is known of the stream
-- ARGV: the owner as known, the new one, now in ms
-- Returns when it was taken over first, or '' if it is another one's by now, and '1' if its maker has closed it.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return {'', ''}
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2])
redis.call('HSETNX', KEYS[1], 'ended', ARGV[3])
local m = redis.call('HMGET', KEYS[1], 'ended', 'closed')
return {m[1], m[2] or ''}
