-- Sends three lines to an echo server and prints what comes back: arg[1] is its address, arg[2] its port.
local connection = assert(connect(arg[1], tonumber(arg[2])))
for i = 1, 3 do
  local line = "line " .. i .. "\n"
  assert(connection:send(line))
  local got = ""
  while #got < #line do
    local chunk = assert(connection:receive())
    if chunk == "" then error("the server went away") end
    got = got .. chunk
  end
  io.write("greet: ", got)
  sleep(0.001)
end
connection:close()

-- Waiting works inside of Lua's own coroutines as well.
local ticks = coroutine.wrap(function()
  for i = 1, 2 do
    sleep(0.001)
    coroutine.yield(i)
  end
end)
print("greet: tick " .. ticks() .. " tick " .. ticks())
