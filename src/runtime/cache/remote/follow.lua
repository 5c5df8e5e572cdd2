-- Says what was dropped since somebody asked last, and drops what they have to drop. ARGV[2] and ARGV[3] are the life and the
-- number that they know, ARGV[4] is the channel in which all hear that there is something to ask for, ARGV[5] how many tags
-- are remembered, ARGV[6] is 1 where everything is to be dropped; the rest are tags. The reply is life, now, and 1 where
-- nobody knows all that was dropped since; then the tags that were.
local reply, known = { life, 0, 0 }, tonumber(ARGV[3])
if ARGV[2] ~= life or known < floor then
  reply[3] = 1
else
  for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[3], '+inf')) do
    reply[#reply + 1] = tag
  end
end
if ARGV[6] == '1' then
  now = redis.call('HINCRBY', KEYS[1], 'now', 1)
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'floor', now)
elseif #ARGV > 6 then
  now = redis.call('HINCRBY', KEYS[1], 'now', 1)
  for i = 7, #ARGV do
    redis.call('ZADD', KEYS[2], now, ARGV[i])
  end
  local most, n = tonumber(ARGV[5]), redis.call('ZCARD', KEYS[2])
  if n > most then
    local at = n - math.floor(most / 2) - 1
    floor = redis.call('ZRANGE', KEYS[2], at, at, 'WITHSCORES')[2]
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', floor)
    redis.call('HSET', KEYS[1], 'floor', floor)
  end
end
if #ARGV > 6 or ARGV[6] == '1' then
  redis.call('PUBLISH', ARGV[4], '')
end
reply[2] = now
return reply
