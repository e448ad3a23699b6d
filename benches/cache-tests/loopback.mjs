// Loaded before the suite's origin, which would listen on every interface: binds it to loopback.
import net from 'node:net'

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port, ...rest) {
  const ready = rest.filter(argument => typeof argument === 'function')
  return listen.call(this, { port: Number(port), host: '127.0.0.1' }, ...ready)
}
