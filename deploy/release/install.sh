#!/bin/sh
# Installs plume from this directory, without internet. As root: binary, user, directories, configuration for this host,
# systemd units. Run again with a newer tarball it upgrades: only when the new binary can go on with the data.
#
#   sudo ./install.sh                安装或升级，升级前自动备份 / install, or upgrade after a backup
#   sudo ./install.sh --no-backup    升级前不备份（已另行备份）/ without that backup: there is another
#   ./install.sh --prefix DIR        只放二进制到 DIR/bin，无需 root / the binary alone, without root
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
prefix=""
backup=yes
case "${1:-}" in
  "") ;;
  --no-backup) backup=no ;;
  --prefix) prefix="${2:?--prefix DIR}" ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
say() { printf '%s\n' "$*"; }

(cd "$here" && sha256sum --quiet -c SHA256SUMS) || {
  say "文件不完整，请重新复制安装包 / files are not what was packed: copy the tarball again"; exit 1; }
"$here/bin/plume" --version >/dev/null || {
  say "无法在本机运行，glibc 版本过低？ / it does not run here; is glibc too old? (ldd --version)"; exit 1; }

put() { # FILE TARGET: whole or not at all, also under a plume that runs
  cp "$1" "$2.new" && chmod 755 "$2.new" && mv -f "$2.new" "$2"
}
if [ -n "$prefix" ]; then
  mkdir -p "$prefix/bin"
  put "$here/bin/plume" "$prefix/bin/plume"
  say "$prefix/bin/plume"
  exit 0
fi
[ "$(id -u)" = 0 ] || { say "请用 root 运行，或 --prefix DIR / run as root, or with --prefix DIR"; exit 1; }

getent group plume >/dev/null || groupadd --system plume
getent passwd plume >/dev/null ||
  useradd --system --gid plume --home-dir /var/lib/plume --no-create-home --shell /usr/sbin/nologin plume
for dir in /var/lib/plume /var/backups/plume; do
  [ -d "$dir" ] || { mkdir -p "$dir" && chown plume:plume "$dir" && chmod 700 "$dir"; }
done
config=/etc/plume/plume.toml
if [ -e "$config" ]; then
  "$here/bin/plume" upgrade --check --config "$config" || {
    say "未升级：新版本不能沿用现有数据或配置 / not upgraded: the new version cannot go on with what is there"; exit 1; }
fi
# The way back, made by the binary that will go on with it. Parquet files never change in place and stay where they are.
if [ "$backup" = yes ] && [ -e "$config" ] && [ -x /usr/local/bin/plume ] &&
  "$here/bin/plume" upgrade --check --json --config "$config" | grep -q upgrade_log; then
  say "升级前备份 / backing up before the upgrade"
  runuser -u plume -- /usr/local/bin/plume backup --config "$config" --to /var/backups/plume --without-archive-files || {
    say "备份失败，未升级；已另行备份时用 --no-backup / no backup, not upgraded; where there is another: --no-backup"; exit 1; }
fi
if [ -e /usr/local/bin/plume ]; then
  cp -p /usr/local/bin/plume /usr/local/bin/plume.previous
  say "原程序保留为 / the old binary is kept as /usr/local/bin/plume.previous"
fi
mkdir -p /usr/local/bin /usr/local/share/plume
put "$here/bin/plume" /usr/local/bin/plume
cp -r "$here/examples" "$here/default.toml" "$here/docs" "$here/licences" "$here/LICENSE" /usr/local/share/plume/
if [ ! -e "$config" ]; then
  mkdir -p /etc/plume
  /usr/local/bin/plume init --dir /etc/plume --data /var/lib/plume
  chown -R plume:plume /etc/plume
fi
if [ -d /etc/systemd/system ]; then
  cp "$here"/systemd/plume* /etc/systemd/system/
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  say "启动 / start:   systemctl enable --now plume plume-backup.timer"
  say "升级后 / after an upgrade:   systemctl restart plume"
fi
say "检查 / examine:  plume doctor --config $config"
say "演示 / demo:     plume demo"
