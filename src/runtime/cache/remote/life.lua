-- KEYS[1] holds what is known of drops: `life`, a run of this server and when it was begun; `now`, how many drops there have
-- been in it; `floor`, up to which nothing is known of them but that there were some. KEYS[2] has each tag that was dropped,
-- by the number of the drop. ARGV[1] is the run of this server. After a start it may hold what it held some time ago: then
-- it does not know what was dropped meanwhile, and another life begins.
local life = redis.call('HGET', KEYS[1], 'life')
if not life or string.sub(life, 1, #ARGV[1]) ~= ARGV[1] then
  local time = redis.call('TIME')
  life = ARGV[1] .. '.' .. time[1] .. '.' .. time[2]
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[1], 'life', life, 'now', 0, 'floor', 0)
end
local now = tonumber(redis.call('HGET', KEYS[1], 'now'))
local floor = tonumber(redis.call('HGET', KEYS[1], 'floor'))
