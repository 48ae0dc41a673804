# The Lua scripts as C strings with their SHA1, made again when one changes.

pt_lua=$ngx_addon_dir/src/redis/lua

cat << END                                                    >> $NGX_MAKEFILE

$NGX_OBJS/ngx_paytrade_scripts.c:	$pt_lua/embed.sh \\
	`echo $pt_lua/*.lua`
	sh $pt_lua/embed.sh $NGX_OBJS/ngx_paytrade_scripts.c

END
